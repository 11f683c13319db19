// What llama.cpp offers in C++ only, as plain C: chat templates with tools, the memory of a
// context row by row, scratch memory.
//
// Each function returns a status and sets *text: the result on CHS_OK, otherwise the reason.
// No C++ exception leaves it. The text is the caller's and goes back through chs_free.
// What this shim cannot catch: GGML_ASSERT and signals, which end the process.
#pragma once

#include "llama.h"

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

#ifdef __cplusplus
}
#endif
