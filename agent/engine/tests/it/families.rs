//! Chat templates of our own, in the shape of the families they are named after.

pub(crate) const QWEN: &str = r#"
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
    {{- 'Tools:' }}
    {%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}
    {{- '<|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- '<|im_start|>user\n' + message.content + '<|im_end|>\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\n' }}
        {%- if loop.last %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
        {%- if message.content %}{{- message.content }}{%- endif %}
        {%- for call in message.tool_calls %}
            {{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
            {%- if call.function.arguments is string %}{{- call.function.arguments }}
            {%- else %}{{- call.function.arguments | tojson }}{%- endif %}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
{%- endif %}"#;

pub(crate) const LLAMA: &str = r#"
{{- bos_token }}
{%- if messages[0].role == 'system' %}
    {%- set system = messages[0].content | trim %}{%- set messages = messages[1:] %}
{%- else %}{%- set system = '' %}{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\n\n' + system + '<|eot_id|>' }}
{%- if tools %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\nFunctions:\n' }}
    {%- for tool in tools %}{{- tool | tojson(indent=4) + '\n' }}{%- endfor %}
    {{- messages[0].content | trim + '<|eot_id|>' }}
    {%- set messages = messages[1:] %}
{%- endif %}
{%- for message in messages %}
    {%- if message.tool_calls %}
        {%- if message.tool_calls | length != 1 %}{{- raise_exception('one call at a time') }}{%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
        {{- '{"name": "' + call.name + '", "parameters": ' + (call.arguments | tojson) + '}' }}
        {{- '<|eot_id|>' }}
    {%- elif message.role == 'tool' %}
        {{- '<|start_header_id|>ipython<|end_header_id|>\n\n' + (message.content | tojson) + '<|eot_id|>' }}
    {%- else %}
        {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"#;

pub(crate) const MISTRAL_OLD: &str = r#"
{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == 'system' and not loop.first %}{{- raise_exception('system comes first') }}{%- endif %}
    {%- if message.role == 'user' %}
        {%- if tools and loop.index0 <= 1 %}
            {{- '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}
        {%- endif %}
        {{- '[INST] ' }}
        {%- if loop.index0 == 1 and messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
        {{- message.content + '[/INST]' }}
    {%- elif message.tool_calls %}
        {{- '[TOOL_CALLS] [' }}
        {%- for call in message.tool_calls %}
            {%- if call.id | length != 9 %}{{- raise_exception('ids have nine characters') }}{%- endif %}
            {{- '{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) }}
            {{- ', "id": "' + call.id + '"}' }}
        {%- endfor %}
        {{- ']' + eos_token }}
    {%- elif message.role == 'assistant' %}
        {{- ' ' + message.content | trim + eos_token }}
    {%- elif message.role == 'tool' %}
        {{- '[TOOL_RESULTS] {"content": ' + (message.content | tojson) + ', "call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- endif %}
{%- endfor %}"#;

pub(crate) const MISTRAL_NEW: &str = r#"
{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == 'system' %}{{- '[SYSTEM_PROMPT]' + message.content + '[/SYSTEM_PROMPT]' }}
    {%- elif message.role == 'user' %}{{- '[INST]' + message.content + '[/INST]' }}
    {%- elif message.role == 'assistant' %}
        {%- if message.content %}{{- message.content }}{%- endif %}
        {%- for call in message.tool_calls %}
            {{- '[TOOL_CALLS]' + call.function.name + '[ARGS]' }}
            {%- if call.function.arguments is string %}{{- call.function.arguments }}
            {%- else %}{{- call.function.arguments | tojson }}{%- endif %}
        {%- endfor %}
        {{- eos_token }}
    {%- elif message.role == 'tool' %}{{- '[TOOL_RESULTS]' + message.content + '[/TOOL_RESULTS]' }}
    {%- endif %}
{%- endfor %}"#;

/// Refuses the system role and two messages of one role in a row; knows no tools.
pub(crate) const GEMMA: &str = r#"
{{- bos_token }}
{%- if messages[0].role == 'system' %}{{- raise_exception('no system role') }}{%- endif %}
{%- for message in messages %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{- raise_exception('roles must take turns') }}{%- endif %}
    {%- if message.role not in ['user', 'assistant'] %}{{- raise_exception('unknown role') }}{%- endif %}
    {%- set role = 'model' if message.role == 'assistant' else message.role %}
    {{- '<start_of_turn>' + role + '\n' + message.content | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\n' }}{%- endif %}"#;

/// Writes the system text before the last message, if that is the user's, and insists on turns.
pub(crate) const WANDERER: &str = r#"
{%- set turn = namespace(count=0) %}
{%- for message in messages %}
    {%- if message.role in ['user', 'assistant'] and not message.tool_calls %}
        {%- if (message.role == 'user') != (turn.count % 2 == 0) %}{{- raise_exception('roles must take turns') }}{%- endif %}
        {%- set turn.count = turn.count + 1 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {%- if loop.last and messages[0].role == 'system' %}{{- messages[0].content + '|' }}{%- endif %}
        {{- '[U]' + message.content + '[/U]' }}
    {%- elif message.tool_calls %}
        {%- set call = message.tool_calls[0].function %}
        {{- '[C]' + call.name + '=' + (call.arguments | tojson) + '[/C]' }}
    {%- elif message.role == 'assistant' %}{{- '[A]' + message.content + '[/A]' }}
    {%- elif message.role == 'tool' %}{{- '[R]' + message.content + '[/R]' }}
    {%- endif %}
{%- endfor %}"#;

/// Says nothing of system and tools, in few characters, for a model that was trained so.
pub(crate) const TERSE: &str = r#"
{%- for message in messages %}
    {%- if message.role == 'user' %}{{- '<u>' + message.content }}
    {%- elif message.role == 'tool' %}{{- '<r>' + message.content }}
    {%- elif message.tool_calls %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<c>' + call.name + ' ' + (call.arguments | tojson) + '<e>' }}
    {%- elif message.role == 'assistant' %}{{- '<c>' + message.content + '<e>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<c>' }}{%- endif %}"#;

/// Writes arguments between tags, as Qwen3-Coder does.
pub(crate) const PARAMETERS: &str = r#"
{%- if tools %}{{- '<|im_start|>system\n' }}{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}{{- '<|im_end|>\n' }}{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'tool' %}{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response>' }}
    {%- else %}{{- '<|im_start|>' + message.role + '\n' + message.content }}{%- endif %}
    {%- for call in message.tool_calls %}
        {{- '<tool_call>\n<function=' + call.function.name + '>\n' }}
        {%- for key, value in call.function.arguments | items %}
            {{- '<parameter=' + key + '>\n' + (value | string) + '\n</parameter>\n' }}
        {%- endfor %}
        {{- '</function>\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"#;

/// Writes keys and values between tags and reasoning before them, and has no end of a turn, as GLM does.
pub(crate) const KEYS: &str = r#"
{%- if tools %}{{- '<|system|>\n' }}{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'tool' %}{{- '<|observation|>\n<tool_response>\n' + message.content + '\n</tool_response>' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|assistant|>\n<think>' + (message.reasoning_content or '') + '</think>' }}
        {%- if message.content %}{{- '\n' + message.content }}{%- endif %}
        {%- for call in message.tool_calls %}
            {{- '\n<tool_call>' + call.function.name }}
            {%- for key, value in call.function.arguments | items %}
                {{- '\n<arg_key>' + key + '</arg_key>\n<arg_value>' }}
                {{- value if value is string else value | tojson }}
                {{- '</arg_value>' }}
            {%- endfor %}
            {{- '\n</tool_call>' }}
        {%- endfor %}
    {%- else %}{{- '<|' + message.role + '|>\n' + message.content }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}{%- if not enable_thinking %}{{- '\n<think></think>' }}{%- endif %}
{%- endif %}"#;

/// Tells texts from other values in the tags, and opens reasoning by itself, as DeepSeek 3.2 does.
pub(crate) const TYPED: &str = r#"
{{- bos_token }}
{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- '<A><think>' + (message.reasoning_content or '') + '</think>' + message.content }}
        {%- for call in message.tool_calls %}
            {{- '<calls>\n<invoke name="' + call.function.name + '">\n' }}
            {%- for key, value in call.function.arguments | items %}
                {{- '<p name="' + key + '" string="' + ('true' if value is string else 'false') + '">' }}
                {{- (value if value is string else value | tojson) + '</p>\n' }}
            {%- endfor %}
            {{- '</invoke>\n</calls>' }}
        {%- endfor %}
        {{- eos_token }}
    {%- else %}{{- '<' + message.role + '>' + message.content }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<A><think>' }}{%- if not enable_thinking %}{{- '</think>' }}{%- endif %}{%- endif %}"#;

/// Writes a call as a message to somebody, and reasoning as a message of its own, as gpt-oss does.
pub(crate) const CHANNELS: &str = r#"
{%- if tools %}{{- '<|start|>developer<|message|>' }}{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}{{- '<|end|>' }}{%- endif %}
{%- for message in messages %}
    {%- if message.tool_calls %}
        {%- set call = message.tool_calls[0].function %}
        {%- if message.thinking %}{{- '<|start|>assistant<|channel|>analysis<|message|>' + message.thinking + '<|end|>' }}{%- endif %}
        {{- '<|start|>assistant to=functions.' + call.name + '<|channel|>commentary json<|message|>' + (call.arguments | tojson) + '<|call|>' }}
    {%- elif message.role == 'assistant' %}{{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' }}
    {%- elif message.role == 'tool' %}{{- '<|start|>functions.' + messages[loop.index0 - 1].tool_calls[0].function.name + ' to=assistant<|channel|>commentary<|message|>' + (message.content | tojson) + '<|end|>' }}
    {%- else %}{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}"#;

/// Takes arguments as a string and no content beside a call, and writes a list of calls, as DeepSeek R1 does.
pub(crate) const LIST: &str = r#"
{{- bos_token }}
{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{{- '<U>' + message.content }}
    {%- elif message.role == 'assistant' and message.content is none %}
        {{- '<A><calls>' }}
        {%- for call in message.tool_calls %}
            {{- '<call>function<sep>' + call.function.name + '\n```json\n' + call.function.arguments + '\n```</call>' }}
        {%- endfor %}
        {{- '</calls>' + eos_token }}
    {%- elif message.role == 'assistant' %}{{- '<A>' + message.content + eos_token }}
    {%- elif message.role == 'tool' %}{{- '<outputs>' + message.content + '</outputs>' }}
    {%- else %}{{- message.content }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<A><think>\n' }}{%- endif %}"#;

/// Repeats each key in the tag that closes its value: no rule can say that.
pub(crate) const XML: &str = r#"
{%- for message in messages %}
    {{- '<|' + message.role + '|>' + message.content }}
    {%- for call in message.tool_calls %}
        {{- '<function=' + call.function.name + '>' }}
        {%- for key, value in call.function.arguments | items %}{{- '<' + key + '>' + value + '</' + key + '>' }}{%- endfor %}
        {{- '</function>' }}
    {%- endfor %}
    {{- '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|><think>\n' }}{%- endif %}"#;
