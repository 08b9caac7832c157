/*
 * libFuzzer target: the query string. What is taken comes back: every name and value written out again,
 * each byte percent-encoded, is read as the same parameters. What is refused is refused in a sentence.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "handler/params.h"

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void check_complaint(const struct params *params)
{
    size_t len = strlen(params->error);
    require(len > 0 && len < sizeof params->error - 1 && params->error[len - 1] == '.',
            "a refusal is not a whole sentence");
    require(strlen(params->culprit) <= PARAM_BYTES_MAX, "a culprit is not terminated");
}

static char *encode(char *to, const char *text)
{
    for (; *text != '\0'; text++)
        to += sprintf(to, "%%%02x", (unsigned char)*text);
    return to;
}

static void check_round_trip(const struct params *params)
{
    char query[PARAMS_MAX * (2 * 3 * PARAM_BYTES_MAX + 2) + 1], *end = query;
    struct params again;
    for (unsigned i = 0; i < params->count; i++) {
        end = encode(end, params->all[i].name);
        *end++ = '=';
        end = encode(end, params->all[i].value);
        *end++ = '&';
    }
    require(params_parse(&again, (struct str){query, (size_t)(end - query)}), "what we write is refused");
    require(again.count == params->count, "what we write is another number of parameters");
    for (unsigned i = 0; i < params->count; i++)
        require(strcmp(again.all[i].name, params->all[i].name) == 0 &&
                    strcmp(again.all[i].value, params->all[i].value) == 0,
                "what we write is another parameter");
}

static void check_numbers(struct params *params)
{
    for (unsigned i = 0; i < params->count; i++) {
        const struct param *param = &params->all[i];
        const char *digits = param->value;
        uint64_t value = UINT64_MAX;
        if (!params_take_u64(params, param->name, 3, 5000, &value)) {
            check_complaint(params);
            require(value == UINT64_MAX, "a refused number was stored");
            continue;
        }
        require(*digits != '\0' && strspn(digits, "0123456789") == strlen(digits),
                "what is no number was taken");
        require(value == strtoull(digits, NULL, 10) && value >= 3 && value <= 5000, "a number was misread");
    }
    require(params_all_taken(params), "a parameter that was taken counts as left over");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct params params;
    if (!params_parse(&params, (struct str){(const char *)data, size})) {
        check_complaint(&params);
        return 0;
    }
    require(params.count <= PARAMS_MAX, "more parameters than there is room for");
    for (unsigned i = 0; i < params.count; i++)
        for (unsigned other = 0; other < i; other++)
            require(strcmp(params.all[i].name, params.all[other].name) != 0, "two parameters have one name");
    check_round_trip(&params);
    if (params.count > 0) {
        require(!params_all_taken(&params), "a parameter that nobody took is not left over");
        check_complaint(&params);
    }
    check_numbers(&params);
    return 0;
}
