/* The payloads that are counted: each carries a mark, `~bench NUMBER LENGTH TEXT CRC~`, and is checked.

   A message that equals the first one of its number byte by byte is as good as that, which was read. */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

struct delivery { /* of one number, to everybody */
    uint32_t number, count;
    uint64_t first, last; /* CLOCK_MONOTONIC, nanoseconds */
    uint64_t bytes;       /* on the wire, all frames together */
    char *text, *wire;    /* of the first client: the message, and the frame or event that brought it */
    size_t text_length, wire_length;
};

extern const char *broken; /* why this run is void, or null */

void void_run(const char *reason, long number);
uint64_t now_ns(void);

struct delivery *delivery_of(uint32_t number);

/* The number of this message when it is the one that was seen first under `expected`; else 0. */
uint32_t same_text(uint32_t expected, const char *text, size_t length);
uint32_t same_wire(uint32_t expected, const char *wire, size_t length);

/* Read and check the mark: its number, 0 without one. A garbled one voids the run. */
uint32_t read_mark(const char *text, size_t length);

/* One client got it. The first one's text and wire are kept. */
void delivered(uint32_t number, const char *text, size_t length, const char *wire, size_t wire_length);

#endif
