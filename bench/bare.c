/* The limit: accepts visitors and writes prepared bytes to each, and does nothing else.

   bare PORT socket|stream [HEADER]     then lines on stdin: send FILE
   Its handshakes are canned, so that the same load can be used. HEADER is one more line of the reply's head.
*/
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 70000
#define LARGEST (1 << 20)

static struct client {
    char steps; /* of the handshake: 0 nobody, 1 accepted, then one for each thing it said */
    size_t left; /* of the bytes that are being sent */
} clients[MOST];
static int poller, streams;
static const char *header = "";
static char bytes[LARGEST];
static size_t length;

static void watch(int fd, int change, uint32_t events) {
    struct epoll_event wish = {.events = events, .data.fd = fd};
    epoll_ctl(poller, change, fd, &wish);
}

static void hang_up(int fd) {
    close(fd);
    clients[fd].steps = 0;
}

static void write_rest(int fd) {
    struct client *client = &clients[fd];
    ssize_t sent = send(fd, bytes + length - client->left, client->left, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        hang_up(fd);
        return;
    }
    size_t before = client->left;
    client->left -= sent > 0 ? sent : 0;
    if (client->left) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    else if (before < length) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
}

static void send_to_all(const char *path) {
    FILE *file = fopen(path, "rb");
    length = file ? fread(bytes, 1, LARGEST, file) : 0;
    if (file) fclose(file);
    for (int fd = 0; fd < MOST; fd++)
        if (clients[fd].steps) {
            clients[fd].left = length;
            write_rest(fd);
        }
    printf("sent bytes=%zu\n", length);
}

static void reply(int fd, const char *text) { send(fd, text, strlen(text), MSG_NOSIGNAL); }

static void reply_frame(int fd, const char *text) {
    char frame[200] = {(char)0x81, (char)strlen(text)};
    strcpy(frame + 2, text);
    reply(fd, frame);
}

static void greet_stream(int fd) {
    char head[400];
    static const char event[] = "event: head\ndata: {}\n\n";
    int chunked = strstr(header, "chunked") != NULL;
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%s\r\n\r\n",
             *header ? header : "Connection: close");
    reply(fd, head);
    snprintf(head, sizeof head, chunked ? "%zx\r\n%s\r\n" : "%.0zx%s", chunked ? sizeof event - 1 : 0, event);
    reply(fd, head);
}

static void greet_socket(int fd, int step) {
    char head[400];
    if (step == 1) {
        snprintf(head, sizeof head, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s%s\r\n",
                 header, *header ? "\r\n" : "");
        reply(fd, head);
        reply_frame(fd, "0{\"sid\":\"x\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}");
    }
    if (step == 2) reply_frame(fd, "40{\"sid\":\"x\"}");
    if (step == 3) reply_frame(fd, "430[{\"success\":true}]");
}

static void hear(int fd) {
    char said[4096];
    if (recv(fd, said, sizeof said, MSG_DONTWAIT) <= 0) {
        hang_up(fd);
        return;
    }
    int step = clients[fd].steps;
    if (step < 9) clients[fd].steps++;
    if (!streams) greet_socket(fd, step);
    else if (step == 1) greet_stream(fd);
}

static void welcome(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 || fd >= MOST) return;
    clients[fd] = (struct client){.steps = 1};
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(0x7f000001);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* those it accepts inherit it */
    if (bind(fd, (void *)&at, sizeof at) || listen(fd, 4096)) exit(1);
    return fd;
}

int main(int count, char **words) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (count < 3) return 2;
    streams = !strcmp(words[2], "stream");
    if (count > 3) header = words[3];
    setvbuf(stdout, NULL, _IOLBF, 0);
    poller = epoll_create1(0);
    int listener = listen_on(atoi(words[1]));
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(0, EPOLL_CTL_ADD, EPOLLIN);
    struct epoll_event ready[256];
    for (;;)
        for (int i = 0, n = epoll_wait(poller, ready, 256, -1); i < n; i++) {
            int fd = ready[i].data.fd;
            char line[1024];
            if (fd == listener) welcome(fd);
            else if (fd == 0) {
                ssize_t got = read(0, line, sizeof line - 1);
                if (got <= 0) return 0;
                line[strcspn((line[got] = 0, line), "\n")] = 0;
                send_to_all(line + 5);
            } else {
                if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) hear(fd);
                if (clients[fd].steps && ready[i].events & EPOLLOUT) write_rest(fd);
            }
        }
}
