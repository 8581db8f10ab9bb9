/* What a visitor hears, byte by byte: an HTTP head, then frames of a WebSocket or server-sent events. */
#ifndef HEARING_H
#define HEARING_H

#include <stddef.h>

/* Take one thing from what a visitor has received: how long it was, 0 when more must come. */
size_t hear(int fd, const char *at, size_t have);

#endif
