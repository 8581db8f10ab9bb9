#define _GNU_SOURCE
#include "visitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hearing.h"
#include "payload.h"

#define PER_ADDRESS 5000     /* visitors per source address, so that the ports suffice */
#define TCP_ESTABLISHED_STATE 1 /* of include/net/tcp_states.h */
#define BUFFER (4 << 20)

struct counts counts;
int poller;
struct visitor visitors[MOST];
static char in[BUFFER];

/* --- coming and going ------------------------------------------------------------------------------- */

void visitor_leave(int fd, const char *why) {
    struct visitor *visitor = &visitors[fd];
    struct crowd *crowd = visitor->crowd;
    if (visitor->state == LISTENING) {
        crowd->gone++;
        counts.open--;
        if (why && !visitor->deaf) void_run(why, visitor->latest);
    } else {
        crowd->failed++;
        if (!crowd->why[0]) snprintf(crowd->why, sizeof crowd->why, "%s", why ? why : "dropped");
    }
    close(fd);
    free(visitor->kept);
    free(visitor->window);
    *visitor = (struct visitor){0};
}

void visitor_connect(struct crowd *crowd) {
    int index = crowd->opened++, yes = 1, small = 4096;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || fd >= MOST) {
        crowd->failed++;
        snprintf(crowd->why, sizeof crowd->why, "no descriptor: %s", strerror(errno));
        if (fd >= 0) close(fd);
        return;
    }
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(crowd->port)};
    from.sin_addr.s_addr = htonl(0x7f000002 + fd / PER_ADDRESS);
    to.sin_addr.s_addr = htonl(0x7f000001);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    int deaf = crowd->deaf && index % 100 < crowd->deaf;
    if (deaf) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    visitors[fd] = (struct visitor){.state = CONNECTING, .deaf = deaf, .index = index, .crowd = crowd,
                                    .latest = crowd->after};
    struct epoll_event wish = {.events = EPOLLOUT, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wish);
    if (bind(fd, (void *)&from, sizeof from) || (connect(fd, (void *)&to, sizeof to) && errno != EINPROGRESS))
        visitor_leave(fd, strerror(errno));
}

int visitors_vanish(int most) {
    int count = 0;
    for (int fd = 0; fd < MOST && count < most; fd++)
        if (visitors[fd].state != NOBODY) {
            visitor_leave(fd, NULL);
            count++;
        }
    return count;
}

int visitors_at(uint32_t number) {
    int count = 0;
    for (int fd = 0; fd < MOST; fd++)
        count += visitors[fd].state == LISTENING && !visitors[fd].deaf && visitors[fd].latest == number;
    return count;
}

int visitors_listening(void) {
    int count = 0;
    for (int fd = 0; fd < MOST; fd++) count += visitors[fd].state == LISTENING && !visitors[fd].deaf;
    return count;
}

uint64_t visitors_segments(void) {
    uint64_t sum = 0;
    for (int fd = 0; fd < MOST; fd++) {
        struct tcp_info info = {0};
        socklen_t size = sizeof info;
        if (visitors[fd].state == LISTENING && !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
            sum += info.tcpi_data_segs_in;
    }
    return sum;
}

int visitors_cut(void) {
    int count = 0;
    for (int fd = 0; fd < MOST; fd++) {
        struct tcp_info info = {0};
        socklen_t size = sizeof info;
        if (visitors[fd].state == LISTENING && visitors[fd].deaf &&
            !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
            count += info.tcpi_state != TCP_ESTABLISHED_STATE;
    }
    return count;
}

void visitor_joined(int fd) {
    struct visitor *visitor = &visitors[fd];
    visitor->state = LISTENING;
    counts.open++;
    visitor->crowd->joined++;
    if (visitor->deaf) epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
}

/* --- what it says -------------------------------------------------------------------------------------- */

static void say(int fd, const char *bytes, size_t length) {
    if (send(fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) visitor_leave(fd, "A visitor could not send");
}

void visitor_say(int fd, int opcode, const char *text, size_t length) {
    static const unsigned char mask[4] = {0x5a, 0xc3, 0x17, 0x88};
    unsigned char frame[1200];
    size_t at = 0;
    frame[at++] = 0x80 | opcode;
    if (length > 125) {
        frame[at++] = 0x80 | 126;
        frame[at++] = length >> 8;
        frame[at++] = length & 255;
    } else {
        frame[at++] = 0x80 | length;
    }
    memcpy(frame + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < length; i++) frame[at + i] = text[i] ^ mask[i & 3];
    say(fd, (char *)frame, at + length);
}

/* `template` with the number of this visitor's page for %d. */
const char *visitor_own(const struct visitor *visitor, const char *template) {
    static char words[1100];
    const struct crowd *crowd = visitor->crowd;
    const char *gap = strstr(template, "%d");
    if (!gap) return template;
    snprintf(words, sizeof words, "%.*s%d%s", (int)(gap - template), template,
             crowd->first + visitor->index / crowd->per, gap + 2);
    return words;
}

static void ask(int fd) {
    char request[1800];
    const struct visitor *visitor = &visitors[fd];
    const struct crowd *crowd = visitor->crowd;
    int length = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: bench\r\nAccept-Encoding: gzip, deflate, br\r\n",
        visitor_own(visitor, crowd->path), crowd->port);
    length += crowd->kind == EVENT_STREAM
        ? snprintf(request + length, sizeof request - length, "Accept: text/event-stream\r\n\r\n")
        : snprintf(request + length, sizeof request - length,
            "Origin: http://127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %08xAAAAAAAAAAAAAA==\r\n%s\r\n",
            crowd->port, fd,
            crowd->offer ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "");
    visitors[fd].state = HEAD;
    struct epoll_event wish = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, fd, &wish);
    say(fd, request, length);
}

void visitor_ready(int fd, uint32_t events) {
    struct visitor *visitor = &visitors[fd];
    if (visitor->state == NOBODY) return;
    if (visitor->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) visitor_leave(fd, strerror(error));
        else if (events & EPOLLOUT) ask(fd);
        return;
    }
    size_t have = visitor->kept_length, done = 0, took;
    if (have) memcpy(in, visitor->kept, have);
    ssize_t got = recv(fd, in + have, BUFFER - have, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        visitor_leave(fd, got ? strerror(errno) : "The server hung up");
        return;
    }
    counts.bytes += got;
    have += got;
    while (done < have && visitor->state && (took = hear(fd, in + done, have - done))) done += took;
    if (!visitor->state || (visitor->deaf && visitor->state == LISTENING)) return;
    size_t rest = have - done;
    if (rest || visitor->kept_length) {
        visitor->kept = rest ? realloc(visitor->kept, rest) : (free(visitor->kept), NULL);
        if (rest) memcpy(visitor->kept, in + done, rest);
        visitor->kept_length = rest;
    }
}
