/* A visitor: one connection that joins as a browser would, listens, and answers pings. */
#ifndef VISITOR_H
#define VISITOR_H

#include <stddef.h>
#include <stdint.h>

enum kind { WEBSOCKET, EVENT_STREAM };

struct crowd { /* those that one `connect` brought */
    enum kind kind;
    int port, total, per, opened, joined, failed, gone, window;
    int deaf;                  /* of a hundred, those that never read once they have joined */
    int offer;                 /* permessage-deflate, as browsers do */
    int strict;                /* numbers without a gap; else rising */
    uint32_t after;            /* the number that came last before they joined */
    char path[512], join[1024]; /* with %d: the number of the page, of which each has `per` viewers */
    int first;                 /* of those numbers */
    uint64_t began, ended;     /* the connecting, nanoseconds */
    char why[160];             /* the first failure */
};

enum state { NOBODY, CONNECTING, HEAD, ENGINE, NAMESPACE, JOINING, LISTENING };

struct visitor {
    enum state state;
    char deaf, chunked, takeover; /* takeover: the server's compression goes on from message to message */
    int index;
    uint32_t latest;
    struct crowd *crowd;
    char *kept; /* bytes of an unfinished frame or event */
    size_t kept_length;
    unsigned char *window;
    size_t window_length;
};

struct counts {
    uint64_t messages, bytes, other, pings;
    int open;
};
#define MOST 70000 /* descriptors */
extern struct visitor visitors[MOST]; /* by descriptor */
extern struct counts counts;
extern int poller;

/* Connect the next one of a crowd. */
void visitor_connect(struct crowd *crowd);

/* The poller says that something can be read, or that it is connected. */
void visitor_ready(int fd, uint32_t events);

/* Close up to `most` of them at once, without a goodbye. How many. */
int visitors_vanish(int most);

/* How many of those who read have this number as their latest. */
int visitors_at(uint32_t number);

/* How many listen and read. */
int visitors_listening(void);

/* TCP segments with data that came to all of them: about as many as the server's writes. */
uint64_t visitors_segments(void);

/* How many of those who do not read were cut by the server. */
int visitors_cut(void);

/* For hearing.c: it is let in; it ends, and who reads should not have (`why`: null when we end it ourselves);
   it says a frame; `template` with the number of its page for %d. */
void visitor_joined(int fd);
void visitor_leave(int fd, const char *why);
void visitor_say(int fd, int opcode, const char *text, size_t length);
const char *visitor_own(const struct visitor *visitor, const char *template);

#endif
