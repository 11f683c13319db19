// See shim.h. One function a promise; `guard` is the only place that catches.
#include "shim.h"

#include "chat.h"
#include "chat-auto-parser.h"
#include "ggml-cpu.h"
#include "json.h"
#include "llama-ext.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

struct chs_template {
    common_chat_template parsed;
};

static std::string str(chs_slice slice) {
    return slice.size == 0 ? std::string() : std::string(slice.data, slice.size);
}

static chs_status give(chs_status status, const std::string & from, chs_text * text) noexcept {
    if (from.empty()) {
        return status;
    }
    text->data = static_cast<char *>(std::malloc(from.size()));
    if (text->data == nullptr) {
        return CHS_MEMORY;
    }
    std::memcpy(text->data, from.data(), from.size());
    text->size = from.size();
    return status;
}

// Runs `work`, which returns the result text. An exception without a text of its own still gets one.
template <typename Work>
static chs_status guard(chs_text * text, Work work) noexcept {
    *text = chs_text{nullptr, 0};
    try {
        try {
            return give(CHS_OK, work(), text);
        } catch (const std::bad_alloc &) {
            return CHS_MEMORY;
        } catch (const std::exception & e) {
            return give(CHS_REFUSED, std::string(e.what()), text);
        } catch (const std::string & e) {
            return give(CHS_REFUSED, e, text);
        } catch (...) {
            return give(CHS_REFUSED, "an exception of an unknown type", text);
        }
    } catch (...) {
        return CHS_MEMORY;
    }
}

static const char * name_of(ggml_backend_dev_t device) {
    return device != nullptr ? ggml_backend_dev_name(device) : "";
}

extern "C" void chs_free(chs_text text) {
    std::free(text.data);
}

extern "C" chs_status chs_template_open(chs_slice source, chs_slice bos, chs_slice eos, chs_template ** out, chs_text * text) {
    *out = nullptr;
    return guard(text, [&] {
        auto made = std::unique_ptr<chs_template>(new chs_template{common_chat_template(str(source), str(bos), str(eos))});
        *out = made.release();
        return std::string();
    });
}

extern "C" void chs_template_close(chs_template * chat_template) {
    delete chat_template;
}

extern "C" chs_status chs_template_render(const chs_template * chat_template, chs_slice request, chs_text * text) {
    return guard(text, [&] {
        const common_json asked = common_json::parse(str(request));
        autoparser::generation_params params;
        params.messages              = asked.at("messages");
        params.tools                 = asked.at("tools");
        params.add_generation_prompt = asked.at("add_generation_prompt").get<bool>();
        params.enable_thinking       = asked.at("enable_thinking").get<bool>();
        params.extra_context         = common_json::object();
        return common_chat_template_direct_apply(chat_template->parsed, params);
    });
}

extern "C" chs_status chs_memory_rows(const llama_context * ctx, chs_text * text) {
    return guard(text, [&] {
        common_json rows = common_json::array();
        for (const auto & [buffer, bytes] : llama_get_memory_breakdown(ctx)) {
            ggml_backend_dev_t device = ggml_backend_buft_get_device(buffer);
            rows.push_back({
                {"buffer", ggml_backend_buft_name(buffer)},
                {"device", name_of(device)},
                {"device_type", device != nullptr ? static_cast<int64_t>(ggml_backend_dev_type(device)) : int64_t(-1)},
                {"is_host", ggml_backend_buft_is_host(buffer)},
                {"model", static_cast<uint64_t>(bytes.model)},
                {"context", static_cast<uint64_t>(bytes.context)},
                {"compute", static_cast<uint64_t>(bytes.compute)},
            });
        }
        return rows.dump();
    });
}

extern "C" chs_status chs_work_size(llama_context * ctx, uint32_t n_tokens, uint32_t n_seqs, uint32_t n_outputs, int32_t n_threads, chs_text * text) {
    return guard(text, [&] {
        ggml_cgraph * graph = llama_graph_reserve(ctx, n_tokens, n_seqs, n_outputs);
        if (graph == nullptr) {
            throw std::runtime_error("no graph could be reserved");
        }
        return std::to_string(ggml_graph_plan(graph, n_threads, nullptr).work_size);
    });
}

extern "C" void chs_keep_freed(bool keep) {
#if defined(__GLIBC__)
    // glibc's own first values, which it forgets when others are set.
    mallopt(M_MMAP_THRESHOLD, keep ? 64 << 20 : 128 << 10);
    mallopt(M_TRIM_THRESHOLD, keep ? 256 << 20 : 128 << 10);
    if (!keep) {
        malloc_trim(0);
    }
#else
    (void) keep;
#endif
}

struct chs_head {
    chs_look            look   = CHS_PASS;
    const ggml_tensor * matrix = nullptr;
    std::vector<float>  states;
    // A state as the matrix wants it, and which row it is of.
    std::vector<char>   packed;
    size_t              packed_row = SIZE_MAX;
};

static bool is_plain(const ggml_tensor * matrix) {
    return matrix->buffer != nullptr && ggml_backend_buffer_is_host(matrix->buffer) && ggml_n_dims(matrix) == 2 &&
           ggml_get_type_traits_cpu(matrix->type)->vec_dot != nullptr;
}

// Logits that are more than a product with the last matrix (a bias, a scale, a cap) are not ours to compute.
static const ggml_tensor * matrix_of(const ggml_tensor * logits) {
    const bool is_product = logits->op == GGML_OP_MUL_MAT && std::strcmp(logits->src[1]->name, "result_norm") == 0;
    return is_product && is_plain(logits->src[0]) ? logits->src[0] : nullptr;
}

extern "C" chs_head * chs_head_new(void) {
    return new (std::nothrow) chs_head;
}

extern "C" void chs_head_free(chs_head * head) {
    delete head;
}

extern "C" void chs_head_look(chs_head * head, chs_look look) {
    head->look       = look;
    head->packed_row = SIZE_MAX;
    head->states.clear();
}

extern "C" bool chs_head_see(ggml_tensor * tensor, bool ask, void * data) {
    auto * head = static_cast<chs_head *>(data);
    if (ask) {
        if (std::strcmp(tensor->name, "result_output") == 0) {
            head->matrix = matrix_of(tensor);
        }
        return head->look != CHS_PASS && std::strcmp(tensor->name, "result_norm") == 0;
    }
    try {
        if (tensor->type == GGML_TYPE_F32 && ggml_is_contiguous(tensor)) {
            head->states.resize(ggml_nelements(tensor));
            ggml_backend_tensor_get(tensor, head->states.data(), 0, ggml_nbytes(tensor));
        }
    } catch (...) {
        head->states.clear();
    }
    return head->look != CHS_STOP;
}

extern "C" size_t chs_head_rows(const chs_head * head) {
    return head->matrix == nullptr ? 0 : head->states.size() / head->matrix->ne[0];
}

extern "C" bool chs_head_logits(chs_head * head, size_t row, const uint32_t * tokens, size_t count, float * logits) {
    if (row >= chs_head_rows(head)) {
        return false;
    }
    const ggml_tensor * matrix = head->matrix;
    const int64_t       width  = matrix->ne[0];
    const auto *        traits = ggml_get_type_traits_cpu(matrix->type);
    const float *       state  = head->states.data() + row * width;
    if (head->packed_row != row) {
        try {
            head->packed.resize(ggml_row_size(traits->vec_dot_type, width));
        } catch (...) {
            return false;
        }
        if (traits->vec_dot_type == GGML_TYPE_F32) {
            std::memcpy(head->packed.data(), state, head->packed.size());
        } else {
            ggml_get_type_traits_cpu(traits->vec_dot_type)->from_float(state, head->packed.data(), width);
        }
        head->packed_row = row;
    }
    for (size_t at = 0; at < count; at++) {
        if (tokens[at] >= matrix->ne[1]) {
            return false;
        }
        const char * weights = static_cast<const char *>(matrix->data) + tokens[at] * matrix->nb[1];
        traits->vec_dot(width, logits + at, 0, weights, 0, head->packed.data(), 0, 1);
    }
    return true;
}
