/* Inflate (RFC 1951) one message of permessage-deflate (RFC 7692), in a few pages and without a library. */
#ifndef INFLATE_H
#define INFLATE_H

#include <stddef.h>

#define WINDOW 32768

/* Unpack `length` bytes of `packed` behind `out`, where `history` bytes that came earlier already end.
   Returns how many bytes were made, or -1 when the data is broken or needs more than `room`. */
long inflate_message(const unsigned char *packed, size_t length, unsigned char *out, size_t history, size_t room);

#endif
