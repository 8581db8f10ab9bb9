/* The herd: visitors who ask for a page over kept connections, each again when it is answered, or at a rate.

   herd port=N seconds=S connections=N [rate=N] [out=FILE] PATH... -- HEADER...

   At a rate a request's time begins when it was due, so a stalled server is not asked less often.
   The last line says what came; FILE gets {due, took: nanoseconds; status; body: which of those seen} of each.
*/
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM (1 << 20)
#define BODIES 64 /* different ones that are known; later ones count as the last */
#define MOST_REQUESTS 4000000

struct record {
    uint64_t due, took;
    uint32_t status, body;
};
static struct connection {
    int fd, busy;
    uint64_t due;
    size_t have;
    char *buffer;
} *connections;
static struct body {
    char *bytes;
    size_t length;
} bodies[BODIES];
static struct record *records;
static size_t answered, asked, reopened, received;
static int poller, port, connection_count = 32, path_count, body_count;
static double seconds = 3, rate;
static char *requests[16];
static const char *out;

static uint64_t now_ns(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return at.tv_sec * 1000000000ull + at.tv_nsec;
}

static void fail(const char *why) {
    printf("failed %s\n", why);
    exit(1);
}

static void open_connection(struct connection *connection) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(0x7f000001);
    int yes = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->fd, (void *)&to, sizeof to)) fail("to connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event wish = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &wish);
}

static void ask(struct connection *connection, uint64_t due) {
    const char *request = requests[asked++ % path_count];
    connection->busy = 1;
    connection->due = due;
    connection->have = 0;
    if (send(connection->fd, request, strlen(request), MSG_NOSIGNAL) <= 0) fail("to ask");
}

static int which_body(const char *bytes, size_t length) {
    static int latest;
    for (int i = 0; i < body_count; i++) {
        int at = (latest + i) % body_count;
        if (bodies[at].length == length && !memcmp(bodies[at].bytes, bytes, length)) return latest = at;
    }
    if (body_count == BODIES) return BODIES - 1;
    bodies[body_count] = (struct body){memcpy(malloc(length + 1), bytes, length), length};
    return latest = body_count++;
}

/* Where the answer's body is, as it came (chunks and all), or -1 while more must come. */
static long body_length(const char *head, size_t head_length, size_t have) {
    int status = atoi(head + 9);
    if (status == 304 || status == 204) return 0;
    const char *length = strcasestr(head, "\r\ncontent-length:");
    if (length && length < head + head_length) {
        size_t body = strtoul(length + 17, NULL, 10);
        return have >= head_length + body ? (long)body : -1;
    }
    if (have >= head_length + 5 && !memcmp(head + have - 5, "0\r\n\r\n", 5)) return have - head_length;
    return -1;
}

static void answer(struct connection *connection, uint64_t now) {
    char *head = connection->buffer;
    head[connection->have] = 0;
    char *end = memmem(head, connection->have, "\r\n\r\n", 4);
    if (!end) return;
    size_t head_length = end + 4 - head;
    long body = body_length(head, head_length, connection->have);
    if (body < 0) return;
    records[answered++] = (struct record){connection->due, now - connection->due, atoi(head + 9),
                                          which_body(head + head_length, body)};
    if (answered == MOST_REQUESTS) fail("to remember so many");
    connection->busy = 0;
    char *closing = strcasestr(head, "\r\nconnection: close");
    if (closing && closing < end) {
        close(connection->fd);
        open_connection(connection);
        reopened++;
    }
}

static void hear(struct connection *connection) {
    ssize_t got = recv(connection->fd, connection->buffer + connection->have, ROOM - 1 - connection->have, MSG_DONTWAIT);
    if (got > 0) {
        received += got;
        connection->have += got;
        answer(connection, now_ns(CLOCK_MONOTONIC));
    } else if (got == 0) {
        if (connection->busy) fail("because a connection was closed");
        close(connection->fd);
        open_connection(connection);
        reopened++;
    }
}

static void roam(void) {
    struct epoll_event ready[64];
    uint64_t begin = now_ns(CLOCK_MONOTONIC), end = begin + seconds * 1e9, gap = rate ? 1e9 / rate : 0, due = begin;
    int next = 0;
    for (uint64_t now = begin; now < end + (gap ? 5000000000ull : 0); now = now_ns(CLOCK_MONOTONIC)) {
        int idle = 0;
        for (int i = 0; i < connection_count; i++) {
            struct connection *connection = &connections[next = (next + 1) % connection_count];
            if (connection->busy) continue;
            if (gap ? due <= now && due < end : now < end) {
                ask(connection, gap ? due : now);
                due += gap;
            } else {
                idle++;
            }
        }
        if (gap && due >= end && idle == connection_count) break;
        struct timespec wait = {0, 100000000};
        if (gap && due < end && idle && due > now) wait.tv_nsec = due - now < 100000000 ? due - now : 100000000;
        else if (gap && due < end && idle) wait.tv_nsec = 0;
        int count = epoll_pwait2(poller, ready, 64, &wait, NULL);
        for (int i = 0; i < count; i++) hear(ready[i].data.ptr);
    }
    seconds = gap ? seconds : (now_ns(CLOCK_MONOTONIC) - begin) / 1e9;
    for (int i = 0; gap && i < connection_count; i++)
        if (connections[i].busy) fail("because an answer did not come");
}

static int by_took(const void *a, const void *b) {
    uint64_t x = ((const struct record *)a)->took, y = ((const struct record *)b)->took;
    return x < y ? -1 : x > y;
}

static void report(void) {
    FILE *file = out ? fopen(out, "wb") : NULL;
    if (file) fwrite(records, sizeof *records, answered, file), fclose(file);
    size_t good = 0, unchanged = 0;
    for (size_t i = 0; i < answered; i++) good += records[i].status == 200, unchanged += records[i].status == 304;
    qsort(records, answered, sizeof *records, by_took);
    if (!answered) fail("to get any answer");
    printf("answered requests=%zu ok=%zu unchanged=%zu seconds=%.6f p50=%lu p99=%lu most=%lu bodies=%d length=%zu "
           "bytes=%zu reopened=%zu cpu=%lu\n", answered, good, unchanged, seconds, records[answered / 2].took,
           records[answered * 99 / 100].took, records[answered - 1].took, body_count, bodies[0].length, received,
           reopened, now_ns(CLOCK_PROCESS_CPUTIME_ID));
}

static void read_words(int count, char **words) {
    static char headers[2000];
    int split = 1;
    while (split < count && strcmp(words[split], "--")) split++;
    for (int i = split + 1; i < count; i++) {
        strcat(headers, words[i]);
        strcat(headers, "\r\n");
    }
    for (int i = 1; i < split; i++) {
        char *word = words[i], *equals = strchr(word, 0x3d), *value = equals ? equals + 1 : word;
        if (word[0] == '/') {
            if (asprintf(&requests[path_count++], "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: bench\r\n%s\r\n",
                         word, port, headers) < 0) exit(1);
        } else if (!strncmp(word, "port=", 5)) port = atoi(value);
        else if (!strncmp(word, "seconds=", 8)) seconds = atof(value);
        else if (!strncmp(word, "connections=", 12)) connection_count = atoi(value);
        else if (!strncmp(word, "rate=", 5)) rate = atof(value);
        else if (!strncmp(word, "out=", 4)) out = value;
    }
}

int main(int count, char **words) {
    read_words(count, words);
    poller = epoll_create1(EPOLL_CLOEXEC);
    records = malloc(MOST_REQUESTS * sizeof *records);
    connections = calloc(connection_count, sizeof *connections);
    for (int i = 0; i < connection_count; i++) {
        connections[i].buffer = malloc(ROOM);
        open_connection(&connections[i]);
    }
    roam();
    report();
    return 0;
}
