#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { USAGE = 2, PATHS_MAX = 100000, PATH_LEN_MAX = 4096 };

static const char help[] =
    "usage: pace [options] http://HOST[:PORT][/PATH]\n"
    "\n"
    "Loads an HTTP server at a fixed rate of arrivals, and measures each latency from the moment at which the\n"
    "request should have been sent.\n"
    "\n"
    "  -r, --rate R|max         requests per second in total; max (default): a closed loop, in which each "
    "connection\n"
    "                           sends its next request when it has the response\n"
    "      --arrivals HOW       poisson (default) or constant\n"
    "  -c, --connections C      connections (16)\n"
    "  -t, --threads T          threads, among which connections and rate are divided (1)\n"
    "  -d, --duration S         seconds that are measured (10)\n"
    "      --warmup S           seconds of the same load before, on the same connections (1)\n"
    "      --drain S            seconds after, for requests that are still due or under way (5)\n"
    "      --timeout S          seconds until a request without a response counts as an error (60; 0: never)\n"
    "      --path PATH          in place of the URL's; several take turns\n"
    "      --paths FILE         the same, a path per line\n"
    "      --crud \"R L C U P D ROWS SEED\"\n"
    "                           reads and writes of /items in place of paths: shares of reads, lists, "
    "creates,\n"
    "                           replaces, patches and deletes; items that the table has; a seed\n"
    "      --requests-per-connection K\n"
    "                           close a connection after K requests, and connect anew for the next (0: never)\n"
    "      --idle I             idle connections beside (0), each of which makes one request first\n"
    "      --slow S             connections that read their responses slowly, about a kilobyte per second (0)\n"
    "      --expect-status N    (200)\n"
    "      --expect-length N    bytes of a body; default: as in the first response to the same path\n"
    "      --late MS            from so many milliseconds on a request that pace sends late counts as late "
    "(1)\n"
    "      --seed N             of all that is random; default: another each time\n"
    "      --inject WHAT:EVERY  for tests: one request in EVERY asks for the path WHAT (with --crud: error or "
    "short)\n"
    "      --burn US            for tests: so many microseconds of CPU before each request\n"
    "      --json FILE          the result as JSON; -: standard output, in place of the table\n"
    "      --hdr FILE           the percentiles in HdrHistogram's text format, in milliseconds\n"
    "  -h, --help\n"
    "\n"
    "Exit status: 0 the result is sound; 1 there is none; 2 usage; 3 there is one, and it is unsound: it says "
    "why.\n"
    "The manual page is loadtest/pace/pace.1.\n";

enum flag {
    FLAG_ARRIVALS = 256,
    FLAG_WARMUP,
    FLAG_DRAIN,
    FLAG_TIMEOUT,
    FLAG_PATH,
    FLAG_PATHS,
    FLAG_CRUD,
    FLAG_PER_CONNECTION,
    FLAG_IDLE,
    FLAG_SLOW,
    FLAG_STATUS,
    FLAG_LENGTH,
    FLAG_LATE,
    FLAG_SEED,
    FLAG_INJECT,
    FLAG_BURN,
    FLAG_JSON,
    FLAG_HDR,
};

static const struct option flags[] = {
    {"rate", required_argument, NULL, 'r'},
    {"arrivals", required_argument, NULL, FLAG_ARRIVALS},
    {"connections", required_argument, NULL, 'c'},
    {"threads", required_argument, NULL, 't'},
    {"duration", required_argument, NULL, 'd'},
    {"warmup", required_argument, NULL, FLAG_WARMUP},
    {"drain", required_argument, NULL, FLAG_DRAIN},
    {"timeout", required_argument, NULL, FLAG_TIMEOUT},
    {"path", required_argument, NULL, FLAG_PATH},
    {"paths", required_argument, NULL, FLAG_PATHS},
    {"crud", required_argument, NULL, FLAG_CRUD},
    {"requests-per-connection", required_argument, NULL, FLAG_PER_CONNECTION},
    {"idle", required_argument, NULL, FLAG_IDLE},
    {"slow", required_argument, NULL, FLAG_SLOW},
    {"expect-status", required_argument, NULL, FLAG_STATUS},
    {"expect-length", required_argument, NULL, FLAG_LENGTH},
    {"late", required_argument, NULL, FLAG_LATE},
    {"seed", required_argument, NULL, FLAG_SEED},
    {"inject", required_argument, NULL, FLAG_INJECT},
    {"burn", required_argument, NULL, FLAG_BURN},
    {"json", required_argument, NULL, FLAG_JSON},
    {"hdr", required_argument, NULL, FLAG_HDR},
    {"help", no_argument, NULL, 'h'},
    {0},
};

__attribute__((format(printf, 1, 2), noreturn)) static void refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("pace: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("; pace --help lists the options\n", stderr);
    va_end(arguments);
    exit(USAGE);
}

static double number(const char *name, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < least || value > most)
        refuse("%s: '%s' is not a number from %g to %g", name, text, least, most);
    return value;
}

static uint64_t whole(const char *name, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < least || value > most)
        refuse("%s: '%s' is not a whole number from %ju to %ju", name, text, (uintmax_t)least, (uintmax_t)most);
    return value;
}

/* Nothing has begun yet, so nothing is lost. */
static void *allocated(void *memory)
{
    if (memory == NULL)
        refuse("there is no memory for the options");
    return memory;
}

static char *copy(const char *text, size_t len)
{
    return allocated(strndup(text, len));
}

/* A path goes into a request as it is: no byte of it may end the line, or split it. */
static void add_path(struct options *options, const char *name, const char *path)
{
    size_t len = strlen(path);
    if (path[0] != '/' || len > PATH_LEN_MAX)
        refuse("%s: '%.60s' is not a path of at most %d bytes that begins with /", name, path, PATH_LEN_MAX);
    for (size_t i = 0; i < len; i++)
        if (path[i] <= ' ' || path[i] > '~' || path[i] == '#')
            refuse("%s: byte %zu of the path cannot stand in one: write it as %%%02X", name, i + 1,
                   (unsigned char)path[i]);
    if (options->path_count == PATHS_MAX)
        refuse("%s: there are more than %d paths", name, PATHS_MAX);
    options->paths = allocated(realloc(options->paths, (options->path_count + 1) * sizeof *options->paths));
    options->paths[options->path_count++] = copy(path, len);
}

static void read_paths(struct options *options, const char *file)
{
    FILE *stream = fopen(file, "re");
    if (stream == NULL)
        refuse("--paths: %s: %s", file, strerror(errno));
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stream) > 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0')
            add_path(options, "--paths", line);
    }
    free(line);
    fclose(stream);
    if (options->path_count == 0)
        refuse("--paths: %s has no path", file);
}

static void read_crud(struct options *options, const char *text)
{
    enum { WORDS = OPERATIONS + 2 };
    unsigned long values[WORDS], total = 0;
    const char *at = text;
    for (int i = 0; i < WORDS; i++) {
        char *end;
        values[i] = strtoul(at, &end, 10);
        if (end == at || values[i] > INT32_MAX)
            refuse("--crud: '%s' is not eight whole numbers: six shares, the rows, and a seed", text);
        at = end;
    }
    for (int i = 0; i < OPERATIONS; i++)
        total += options->mix[i] = (unsigned)values[i];
    options->rows = (unsigned)values[OPERATIONS];
    options->seed = values[OPERATIONS + 1];
    if (at[strspn(at, " ")] != '\0' || total == 0 || options->rows < 100)
        refuse("--crud: '%s' is not six shares, not all of them 0, the rows (at least 100), and a seed", text);
    options->has_crud = true;
}

static void read_injected(struct options *options, const char *text)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text)
        refuse("--inject: '%s' is not WHAT:EVERY", text);
    options->injected = copy(text, (size_t)(colon - text));
    options->injected_every = (unsigned)whole("--inject", colon + 1, 1, 1000000000);
}

static void read_arrivals(struct options *options, const char *text)
{
    options->is_poisson = strcmp(text, "poisson") == 0;
    if (!options->is_poisson && strcmp(text, "constant") != 0)
        refuse("--arrivals: '%s' is neither poisson nor constant", text);
}

static void read_option(struct options *options, int flag, char *text)
{
    switch (flag) {
    case 'r':
        options->rate = strcmp(text, "max") == 0 ? 0 : number("--rate", text, 0.1, 1e7);
        break;
    case 'c':
        options->connections = (unsigned)whole("--connections", text, 1, 1000000);
        break;
    case 't':
        options->threads = (unsigned)whole("--threads", text, 1, 256);
        break;
    case 'd':
        options->seconds = number("--duration", text, 0.01, 3600);
        break;
    case FLAG_ARRIVALS:
        read_arrivals(options, text);
        break;
    case FLAG_WARMUP:
        options->warmup_s = number("--warmup", text, 0, 3600);
        break;
    case FLAG_DRAIN:
        options->drain_s = number("--drain", text, 0, 600);
        break;
    case FLAG_TIMEOUT:
        options->timeout_s = number("--timeout", text, 0, 86400);
        break;
    case FLAG_PATH:
        add_path(options, "--path", text);
        break;
    case FLAG_PATHS:
        read_paths(options, text);
        break;
    case FLAG_CRUD:
        read_crud(options, text);
        break;
    case FLAG_PER_CONNECTION:
        options->requests_per_connection = (unsigned)whole("--requests-per-connection", text, 0, 1000000000);
        break;
    case FLAG_IDLE:
        options->idle = (unsigned)whole("--idle", text, 0, 1000000);
        break;
    case FLAG_SLOW:
        options->slow = (unsigned)whole("--slow", text, 0, 1000000);
        break;
    case FLAG_STATUS:
        options->expected_status = (unsigned)whole("--expect-status", text, 200, 599);
        break;
    case FLAG_LENGTH:
        options->expected_len = (int64_t)whole("--expect-length", text, 0, INT64_MAX);
        break;
    case FLAG_LATE:
        options->late_ms = number("--late", text, 0.01, 1000);
        break;
    case FLAG_SEED:
        options->seed = whole("--seed", text, 0, UINT64_MAX);
        break;
    case FLAG_INJECT:
        read_injected(options, text);
        break;
    case FLAG_BURN:
        options->burn_us = (unsigned)whole("--burn", text, 0, 1000000);
        break;
    case FLAG_JSON:
        options->json = text;
        break;
    case FLAG_HDR:
        options->hdr = text;
        break;
    case 'h':
        fputs(help, stdout);
        exit(fflush(stdout) == 0 ? 0 : 1);
    default:
        exit(USAGE); /* getopt has said why */
    }
}

/* A value as a sentence may show it: a password is not repeated. */
static const char *without_user(const char *url)
{
    return strchr(url, '@') != NULL ? "a URL with a user" : url;
}

/* RFC 3986: http://HOST[:PORT][/PATH]; no user, which would be shown, and no https. */
static void read_url(struct options *options, const char *url)
{
    static const char scheme[] = "http://";
    if (strncasecmp(url, scheme, sizeof scheme - 1) != 0)
        refuse("'%.80s' does not begin with http://", without_user(url));
    const char *host = url + sizeof scheme - 1;
    size_t authority = strcspn(host, "/?#");
    const char *path = host + authority, *host_end, *port;
    if (host[0] == '[') {
        host_end = memchr(host, ']', authority);
        port = host_end == NULL ? NULL : host_end + 1;
        host++;
    } else {
        host_end = port = host + strcspn(host, ":/?#");
    }
    if (host_end == NULL || host_end <= host || memchr(host, '@', authority) != NULL ||
        (port != path && *port != ':'))
        refuse("'%.80s' is not http://HOST[:PORT][/PATH]", without_user(url));
    options->host = copy(host, (size_t)(host_end - host));
    options->port = port == path ? copy("80", 2) : copy(port + 1, (size_t)(path - port - 1));
    whole("the port of the URL", options->port, 1, 65535);
    if (*path == '?')
        refuse("'%.80s': write http://HOST/?... with a path before the question mark", url);
    if (!options->has_crud && options->path_count == 0)
        add_path(options, "the URL", *path == '\0' ? "/" : path);
    else if (*path != '\0' && strcmp(path, "/") != 0)
        refuse("'%.80s' has a path, and another option names what to ask for, too", url);
}

static void check(const struct options *options)
{
    if (options->has_crud && options->path_count > 0)
        refuse("--crud asks for /items: leave out --path and --paths");
    if (options->connections < options->threads)
        refuse("--threads: each of %u threads wants a connection, and there are %u", options->threads,
               options->connections);
    if (options->injected != NULL && !options->has_crud && options->injected[0] != '/')
        refuse("--inject: '%s' is not a path", options->injected);
    if (options->injected != NULL && options->has_crud && strcmp(options->injected, "error") != 0 &&
        strcmp(options->injected, "short") != 0)
        refuse("--inject: with --crud it is error or short, and not '%s'", options->injected);
}

void options_read(struct options *options, int count, char **words)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *options = (struct options){
        .is_poisson = true,
        .connections = 16,
        .threads = 1,
        .seconds = 10,
        .warmup_s = 1,
        .drain_s = 5,
        .timeout_s = 60,
        .expected_status = 200,
        .expected_len = -1,
        .late_ms = 1,
        .seed = (uint64_t)now.tv_sec ^ (uint64_t)now.tv_nsec << 20,
    };
    int flag;
    while ((flag = getopt_long(count, words, "r:c:t:d:h", flags, NULL)) != -1)
        read_option(options, flag, optarg);
    if (optind + 1 != count)
        refuse(optind == count ? "there is no URL" : "there are two URLs");
    read_url(options, words[optind]);
    check(options);
}
