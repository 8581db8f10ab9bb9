#define _GNU_SOURCE
#include "hearing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inflate.h"
#include "payload.h"
#include "visitor.h"

#define LARGEST (2 << 20) /* message */

static unsigned char out[WINDOW + LARGEST];

static void say_text(int fd, const char *text) { visitor_say(fd, 1, text, strlen(text)); }

static void count(int fd, uint32_t number, const char *text, size_t length, const char *wire, size_t wire_length) {
    struct visitor *visitor = &visitors[fd];
    if (!number) {
        counts.other++;
        return;
    }
    counts.messages++;
    if (visitor->crowd->strict && number != visitor->latest + 1)
        void_run(number <= visitor->latest ? "A message came twice or late" : "A message was lost", number);
    if (number < visitor->latest) void_run("A page went back", number);
    if (number > visitor->latest || visitor->crowd->strict) delivered(number, text, length, wire, wire_length);
    visitor->latest = number;
}

/* A Socket.IO 5 packet in an Engine.IO 4 packet. */
static void hear_packet(int fd, const char *text, size_t length, const char *wire, size_t wire_length) {
    struct visitor *visitor = &visitors[fd];
    char kind = length ? text[0] : 0, packet = length > 1 ? text[1] : 0;
    if (kind == '2') {
        counts.pings++;
        say_text(fd, "3");
    } else if (kind == '0' && visitor->state == ENGINE) {
        visitor->state = NAMESPACE;
        say_text(fd, "40");
    } else if (kind == '4' && packet == '0' && visitor->state == NAMESPACE) {
        char event[1100];
        visitor->state = JOINING;
        snprintf(event, sizeof event, "420%s", visitor_own(visitor, visitor->crowd->join));
        say_text(fd, event);
    } else if (kind == '4' && packet == '3' && visitor->state == JOINING) {
        if (memmem(text, length, "\"cursor\"", 8) || memmem(text, length, "\"success\":true", 14)) visitor_joined(fd);
        else {
            char why[160];
            snprintf(why, sizeof why, "%.*s", (int)(length < 150 ? length : 150), text);
            visitor_leave(fd, why);
        }
    } else if (kind == '4' && packet == '2') {
        uint32_t number = same_text(visitor->latest + 1, text, length);
        count(fd, number ? number : read_mark(text, length), text, length, wire, wire_length);
    } else if (kind == '1' || kind == '4') {
        visitor_leave(fd, "The server ended a connection");
    }
}

static void hear_packed(int fd, const char *packed, size_t length, const char *wire, size_t wire_length) {
    struct visitor *visitor = &visitors[fd];
    unsigned char *start = out + WINDOW;
    uint32_t number = visitor->takeover ? 0 : same_wire(visitor->latest + 1, wire, wire_length);
    if (number) {
        struct delivery *known = delivery_of(number);
        count(fd, number, known->text, known->text_length, wire, wire_length);
        return;
    }
    if (visitor->window_length) memcpy(start - visitor->window_length, visitor->window, visitor->window_length);
    long made = inflate_message((const void *)packed, length, start, visitor->window_length, LARGEST);
    if (made < 0) {
        void_run("A message could not be inflated", visitor->latest);
        return;
    }
    if (visitor->takeover) {
        size_t all = visitor->window_length + made, keep = all < WINDOW ? all : WINDOW;
        if (!visitor->window) visitor->window = malloc(WINDOW);
        memcpy(visitor->window, start + made - keep, keep);
        visitor->window_length = keep;
    }
    hear_packet(fd, (const char *)start, made, wire, wire_length);
}

/* One frame (RFC 6455) at `at`: how long it is, 0 when more must come. */
static size_t hear_frame(int fd, const char *at, size_t have) {
    const unsigned char *head = (const unsigned char *)at;
    if (have < 2) return 0;
    size_t length = head[1] & 127, start = length == 126 ? 4 : length == 127 ? 10 : 2;
    if (have < start) return 0;
    if (start > 2)
        for (length = 0, head += 2; head < (const unsigned char *)at + start; head++) length = length << 8 | *head;
    if (length > LARGEST) {
        void_run("A frame is too long", 0);
        return have;
    }
    if (have < start + length) return 0;
    int opcode = at[0] & 15, fin = at[0] & 0x80, packed = at[0] & 0x40;
    if (opcode == 9) visitor_say(fd, 10, at + start, length);
    else if (opcode == 8) visitor_leave(fd, "The server closed a connection");
    else if (opcode != 1 || !fin) void_run("A message came in pieces", 0);
    else if (packed) hear_packed(fd, at + start, length, at, start + length);
    else hear_packet(fd, at + start, length, at, start + length);
    return start + length;
}

/* One server-sent event, up to its empty line: how long, 0 when more must come. */
static size_t hear_event(int fd, const char *at, size_t have, const char *wire, size_t wire_length) {
    struct visitor *visitor = &visitors[fd];
    const char *end = memmem(at, have, "\n\n", 2);
    if (!end) return 0;
    size_t length = end + 2 - at;
    if (!wire) wire = at, wire_length = length;
    if (visitor->state == JOINING) {
        if (memmem(at, length, "event: head", 11)) visitor_joined(fd);
        return length;
    }
    uint32_t number = same_wire(visitor->latest + 1, wire, wire_length);
    count(fd, number ? number : read_mark(at, length), at, length, wire, wire_length);
    return length;
}

/* One chunk (RFC 9112, 7.1), which has whole events: how long, 0 when more must come. */
static size_t hear_chunk(int fd, const char *at, size_t have) {
    const char *line = memmem(at, have < 20 ? have : 20, "\r\n", 2);
    if (!line) return 0;
    size_t body = strtoul(at, NULL, 16), start = line + 2 - at, whole = start + body + 2;
    if (have < whole) return 0;
    if (!body) visitor_leave(fd, "The server ended a stream");
    for (size_t done = 0, took; done < body && visitors[fd].state; done += took) {
        const char *end = memmem(at + start + done, body - done, "\n\n", 2);
        int single = !done && end && end + 2 == at + start + body;
        took = hear_event(fd, at + start + done, body - done, single ? at : NULL, whole);
        if (!took) {
            void_run("An event came in pieces", 0);
            break;
        }
    }
    return whole;
}

static size_t hear_head(int fd, const char *at, size_t have) {
    struct visitor *visitor = &visitors[fd];
    const char *end = memmem(at, have, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t length = end + 4 - at;
    int socket = visitor->crowd->kind == WEBSOCKET;
    if (strncmp(at + 9, socket ? "101" : "200", 3)) {
        char why[160];
        snprintf(why, sizeof why, "%.*s", (int)(have < 150 ? have : 150), at);
        visitor_leave(fd, why);
        return have;
    }
    visitor->chunked = memmem(at, length, "chunked", 7) != NULL;
    visitor->takeover = memmem(at, length, "permessage-deflate", 18) && !memmem(at, length, "server_no_context", 17);
    visitor->state = socket ? ENGINE : JOINING;
    return length;
}

size_t hear(int fd, const char *at, size_t have) {
    if (visitors[fd].state == HEAD) return hear_head(fd, at, have);
    if (visitors[fd].crowd->kind == WEBSOCKET) return hear_frame(fd, at, have);
    return visitors[fd].chunked ? hear_chunk(fd, at, have) : hear_event(fd, at, have, NULL, 0);
}
