/* The load: thousands of visitors in one thread, steered by lines on stdin, answered by lines on stdout.

   connect key=value... join=[...]   bring a crowd; answered when all have joined or failed
   wait number=N clients=N seconds=S answered when so many who read have that number
   wire number=N file=PATH           write the bytes that brought it to the first client
   report                            what there is
   vanish clients=N                  close so many at once, without a goodbye
*/
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "payload.h"
#include "visitor.h"

#define PATIENCE 60000000000ull /* for a crowd to join, from its latest progress */

static struct crowd *crowd; /* that is coming in */
static int progress;
static uint64_t progressed;
static struct {
    uint32_t number;
    int clients;
    uint64_t until;
} awaited;

static const char *field(const char *line, const char *name) {
    static char value[1024];
    char key[40];
    int length = snprintf(key, sizeof key, " %s=", name);
    const char *at = strstr(line, key);
    if (!at) return NULL;
    const char *end = strcmp(name, "join") ? strpbrk(at + length, " \n") : strchr(at + length, '\n');
    snprintf(value, sizeof value, "%.*s", (int)((end ? end : at + strlen(at)) - at - length), at + length);
    return value;
}

static long number_of(const char *line, const char *name, long otherwise) {
    const char *value = field(line, name);
    return value ? atol(value) : otherwise;
}

#define AWAKE_NS 3000000
static uint64_t waited_awake; /* nanoseconds that it was awake for nothing: no work, so not in its share */

static uint64_t own_cpu(void) {
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return at.tv_sec * 1000000000ull + at.tv_nsec - waited_awake;
}

static void answer_report(void) {
    printf("report open=%d messages=%lu bytes=%lu other=%lu pings=%lu segments=%lu cut=%d cpu=%lu at=%lu void=%s\n",
           counts.open,
           counts.messages, counts.bytes, counts.other, counts.pings, visitors_segments(), visitors_cut(), own_cpu(), now_ns(), broken ? broken : "");
}

static void begin_crowd(const char *line) {
    crowd = calloc(1, sizeof *crowd); /* for as long as its visitors, so for ever */
    const char *kind = field(line, "kind"), *text;
    crowd->kind = kind && !strcmp(kind, "sse") ? EVENT_STREAM : WEBSOCKET;
    crowd->total = number_of(line, "clients", 1);
    crowd->port = number_of(line, "port", 0);
    crowd->per = number_of(line, "per", crowd->total);
    crowd->first = number_of(line, "first", 0);
    crowd->window = number_of(line, "window", 64);
    crowd->deaf = number_of(line, "deaf", 0);
    crowd->offer = number_of(line, "offer", 1);
    crowd->strict = number_of(line, "strict", 1);
    crowd->after = number_of(line, "after", 0);
    if ((text = field(line, "path"))) snprintf(crowd->path, sizeof crowd->path, "%s", text);
    if ((text = field(line, "join"))) snprintf(crowd->join, sizeof crowd->join, "%s", text);
    crowd->began = progressed = now_ns();
}

static void bring_crowd(void) {
    int done = crowd->joined + crowd->failed;
    while (crowd->opened < crowd->total && crowd->opened - crowd->joined - crowd->failed < crowd->window)
        visitor_connect(crowd);
    if (done != progress) progress = done, progressed = now_ns();
    if (crowd->joined + crowd->failed < crowd->total && now_ns() - progressed < PATIENCE) return;
    crowd->ended = now_ns();
    for (char *at = crowd->why; *at; at++)
        if (*at == '\n' || *at == '\r') *at = ' ';
    printf("connected joined=%d failed=%d nanoseconds=%lu why=%s\n", crowd->joined, crowd->total - crowd->joined,
           crowd->ended - crowd->began, crowd->why);
    crowd = NULL;
}

static void look_for_awaited(void) {
    struct delivery *delivery = delivery_of(awaited.number);
    int late = now_ns() > awaited.until;
    if (!late && !broken && (!delivery || (int)delivery->count < awaited.clients)) return;
    int clients = visitors_at(awaited.number);
    if (clients < awaited.clients && !late && !broken) return;
    struct delivery none = {0};
    if (!delivery) delivery = &none;
    printf("delivered clients=%d count=%u first=%lu last=%lu bytes=%lu size=%lu void=%s\n", clients, delivery->count,
           delivery->first, delivery->last, delivery->bytes, delivery->wire_length, broken ? broken : "");
    awaited.number = 0;
}

static void write_wire(const char *line) {
    struct delivery *delivery = delivery_of(number_of(line, "number", 0));
    FILE *file = delivery ? fopen(field(line, "file"), "wb") : NULL;
    size_t written = file ? fwrite(delivery->wire, 1, delivery->wire_length, file) : 0;
    if (file) fclose(file);
    printf("written bytes=%lu\n", written);
}

static void obey(const char *line) {
    if (!strncmp(line, "connect ", 8)) begin_crowd(line);
    else if (!strncmp(line, "wait ", 5)) {
        awaited.number = number_of(line, "number", 0);
        awaited.clients = number_of(line, "clients", visitors_listening());
        awaited.until = now_ns() + number_of(line, "seconds", 30) * 1000000000ull;
        look_for_awaited();
    } else if (!strncmp(line, "wire ", 5)) write_wire(line);
    else if (!strncmp(line, "report", 6)) answer_report();
    else if (!strncmp(line, "vanish", 6)) printf("vanished clients=%d\n", visitors_vanish(number_of(line, "clients", 1 << 30)));
    else printf("unknown %s", line);
}

static void read_orders(void) {
    static char lines[8192];
    static size_t have;
    ssize_t got = read(0, lines + have, sizeof lines - have - 1);
    if (got <= 0) exit(0);
    lines[have += got] = 0;
    for (char *end; (end = strchr(lines, '\n'));) {
        char line[8192];
        snprintf(line, sizeof line, "%.*s", (int)(end + 1 - lines), lines);
        memmove(lines, end + 1, have -= end + 1 - lines);
        lines[have] = 0;
        obey(line);
    }
}

int main(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    setvbuf(stdout, NULL, _IOLBF, 0);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wish = {.events = EPOLLIN, .data.fd = 0}, ready[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &wish);
    uint64_t awake_until = 0;
    for (;;) {
        /* Awake for a moment after each message: in a network the one who sends does not wake who receives,
           and to do so on one machine costs the sender as much as half of a delivery. */
        uint64_t begun = now_ns();
        int pause = begun < awake_until ? 0 : crowd || awaited.number ? 20 : 1000;
        int count = epoll_wait(poller, ready, 256, pause);
        if (count > 0) awake_until = now_ns() + AWAKE_NS;
        else if (!pause) waited_awake += now_ns() - begun;
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == 0) read_orders();
            else visitor_ready(ready[i].data.fd, ready[i].events);
        }
        if (crowd) bring_crowd();
        if (awaited.number) look_for_awaited();
    }
}
