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
