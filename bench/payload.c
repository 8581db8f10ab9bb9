#define _GNU_SOURCE
#include "payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NUMBERS 16384 /* the latest ones are known */

const char *broken;
static struct delivery deliveries[NUMBERS];

void void_run(const char *reason, long number) {
    static char words[200];
    if (broken) return;
    snprintf(words, sizeof words, "%s (number %ld)", reason, number);
    broken = words;
}

uint64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000ull + at.tv_nsec;
}

struct delivery *delivery_of(uint32_t number) {
    struct delivery *delivery = &deliveries[number % NUMBERS];
    return delivery->number == number ? delivery : NULL;
}

static int equal(const char *a, size_t a_length, const char *b, size_t b_length) {
    return a && a_length == b_length && !memcmp(a, b, b_length);
}

uint32_t same_text(uint32_t expected, const char *text, size_t length) {
    struct delivery *known = delivery_of(expected);
    return known && equal(known->text, known->text_length, text, length) ? expected : 0;
}

uint32_t same_wire(uint32_t expected, const char *wire, size_t length) {
    struct delivery *known = delivery_of(expected);
    return known && equal(known->wire, known->wire_length, wire, length) ? expected : 0;
}

static uint32_t crc32(const char *text, size_t length) {
    static uint32_t table[256];
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320u ^ value >> 1 : value >> 1;
            table[i] = value;
        }
    uint32_t sum = ~0u;
    while (length--) sum = table[(sum ^ (unsigned char)*text++) & 0xff] ^ sum >> 8;
    return ~sum;
}

uint32_t read_mark(const char *text, size_t length) {
    static const char begin[] = "~bench ";
    const char *at = memmem(text, length, begin, sizeof begin - 1), *end = text + length;
    if (!at) return 0;
    char head[40] = {0}, tail[10] = {0};
    unsigned number, size, sum;
    int taken;
    memcpy(head, at, end - at < 39 ? end - at : 39);
    if (sscanf(head, "~bench %u %u %n", &number, &size, &taken) != 2 || number == 0) {
        void_run("A mark has no number", 0);
        return 0;
    }
    const char *body = at + taken;
    if (end - body < (long)size + 10) {
        void_run("A message was cut short", number);
        return 0;
    }
    memcpy(tail, body + size + 1, 9);
    if (body[size] != ' ' || sscanf(tail, "%8x~", &sum) != 1 || tail[8] != '~' || crc32(body, size) != sum)
        void_run("A message is garbled", number);
    return number;
}

static char *copy(const char *bytes, size_t length) {
    return memcpy(malloc(length + 1), bytes, length);
}

void delivered(uint32_t number, const char *text, size_t length, const char *wire, size_t wire_length) {
    struct delivery *delivery = &deliveries[number % NUMBERS];
    uint64_t now = now_ns();
    if (delivery->number != number) {
        free(delivery->text);
        free(delivery->wire);
        *delivery = (struct delivery){.number = number, .first = now, .text = copy(text, length),
                                      .wire = copy(wire, wire_length), .text_length = length,
                                      .wire_length = wire_length};
    }
    delivery->count++;
    delivery->last = now;
    delivery->bytes += wire_length;
}
