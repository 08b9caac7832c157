#include "handler/items/etag.h"

#include <inttypes.h>
#include <stdio.h>

struct etag {
    struct str opaque; /* between the quotes */
    bool weak;
};

/* etagc of RFC 9110 8.8.3. */
static bool is_etag_char(unsigned char c)
{
    return c == 0x21 || (c >= 0x23 && c != 0x7f);
}

/* Cuts the next tag, and the commas before it, off *rest. False at the end and at a malformed tag. */
static bool cut_etag(struct str *rest, struct etag *etag)
{
    size_t i = 0, end;
    while (i < rest->len && (rest->ptr[i] == ' ' || rest->ptr[i] == '\t' || rest->ptr[i] == ','))
        i++;
    struct str tag = {rest->ptr + i, rest->len - i};
    *rest = tag;
    etag->weak = str_starts_with(tag, STR("W/"));
    size_t quote = etag->weak ? 2 : 0;
    if (quote >= tag.len || tag.ptr[quote] != '"')
        return false;
    for (end = quote + 1; end < tag.len && is_etag_char((unsigned char)tag.ptr[end]);)
        end++;
    if (end == tag.len || tag.ptr[end] != '"')
        return false;
    etag->opaque = (struct str){tag.ptr + quote + 1, end - quote - 1};
    struct str after = str_trim((struct str){tag.ptr + end + 1, tag.len - end - 1});
    if (after.len > 0 && after.ptr[0] != ',')
        return false;
    *rest = after;
    return true;
}

bool etag_list_is_valid(struct str list)
{
    struct etag etag;
    list = str_trim(list);
    if (str_eq(list, STR("*")))
        return true;
    unsigned count = 0;
    while (cut_etag(&list, &etag))
        count++;
    return count > 0 && list.len == 0;
}

bool etag_list_matches(struct str list, int64_t version, enum etag_comparison comparison)
{
    char text[24];
    struct str ours = {text, (size_t)snprintf(text, sizeof text, "%" PRId64, version)};
    struct etag etag;
    list = str_trim(list);
    if (str_eq(list, STR("*")))
        return true;
    while (cut_etag(&list, &etag))
        if (str_eq(etag.opaque, ours) && (comparison == ETAG_WEAK || !etag.weak))
            return true;
    return false;
}
