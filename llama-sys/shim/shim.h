// What llama.cpp offers in C++ only, as plain C: chat templates with tools, the memory of a
// context row by row, scratch memory; and logits of a few tokens, from what its evaluation callback shows.
//
// Each function returns a status and sets *text: the result on CHS_OK, otherwise the reason.
// No C++ exception leaves it. The text is the caller's and goes back through chs_free.
// What this shim cannot catch: GGML_ASSERT and signals, which end the process.
#pragma once

#include "llama.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum chs_status {
    CHS_OK      = 0,
    CHS_REFUSED = 1, // llama.cpp threw, or returned an error; the text says what
    CHS_MEMORY  = 2, // no memory, not even for a text: *text is empty
} chs_status;

// Bytes that the caller owns. UTF-8 is expected, no terminator.
typedef struct chs_slice {
    const char * data;
    size_t       size;
} chs_slice;

// Bytes that the shim has allocated; data is null when size is 0.
typedef struct chs_text {
    char * data;
    size_t size;
} chs_text;

// A parsed chat template.
typedef struct chs_template chs_template;

void chs_free(chs_text text);

// Parses a Jinja chat template. On CHS_OK *out is the template and the text is empty.
chs_status chs_template_open(chs_slice source, chs_slice bos, chs_slice eos, chs_template ** out, chs_text * text);

void chs_template_close(chs_template * chat_template);

// Renders {"messages": [...], "tools": [...], "add_generation_prompt": b, "enable_thinking": b}
// (messages and tools in OpenAI's form) into a prompt.
chs_status chs_template_render(const chs_template * chat_template, chs_slice request, chs_text * text);

// Every buffer type of the context as a JSON array, also those that belong to no model device
// (repacked weights). Sizes in bytes.
chs_status chs_memory_rows(const struct llama_context * ctx, chs_text * text);

// Scratch bytes of the CPU backend for a graph of that shape, as a JSON number.
chs_status chs_work_size(struct llama_context * ctx, uint32_t n_tokens, uint32_t n_seqs, uint32_t n_outputs, int32_t n_threads, chs_text * text);

// Has malloc keep what is freed, for whoever asks next, instead of giving it back to the system; or, with false, give all
// of it back, now and from now on. Where malloc is not that of glibc, nothing happens.
void chs_keep_freed(bool keep);

// What stands before the last matrix of a model, for logits of a few tokens instead of all.
typedef struct chs_head chs_head;

typedef enum chs_look {
    CHS_PASS = 0, // nothing is kept
    CHS_KEEP = 1, // the states before the last matrix are kept
    CHS_STOP = 2, // likewise, and the matrix is left out: there are no logits
} chs_look;

// Null without memory.
chs_head * chs_head_new(void);

void chs_head_free(chs_head * head);

// The evaluation callback of a context; head is its user data. Lets no exception out.
bool chs_head_see(struct ggml_tensor * tensor, bool ask, void * head);

// What is done in evaluations from now on; forgets what was kept.
void chs_head_look(chs_head * head, chs_look look);

// How many states the last evaluation left; 0 as well when the logits of this model are no plain product with a
// matrix in host memory, or none was computed yet.
size_t chs_head_rows(const chs_head * head);

// Writes the logits of some tokens behind a state, as those of a lone token are computed. False when there is no such
// state or token, or no memory.
bool chs_head_logits(chs_head * head, size_t row, const uint32_t * tokens, size_t count, float * logits);

#ifdef __cplusplus
}
#endif
