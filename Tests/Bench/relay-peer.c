// Both ends of a relayed connection: a server that sends back what it gets, and clients that measure.
//
//   echo | many            serve on port 7000: one process, or sixteen for more connections than one
//                          process may have open files
//   serve PORT             the same as echo, elsewhere
//   latency PORT ROUNDS    one byte there and back: the median, in nanoseconds
//   pace PORT COUNT        a connection, one byte there and back, and its end: the median, in nanoseconds
//   connect PORT COUNT     connections made, used for one byte and closed, 16 at a time, per second
//   datagrams              sends datagrams back, on port 7000
//   datagram ADDRESS PORT  sends one datagram and prints the answer
//   rush PORT COUNT        the same, 512 at a time
//   storm                  opens connections to the door inside for as long as one is open to port 7000,
//                          half of them with half a request, and answers its end with how many it opened
//   idle PORT COUNT        opens so many, says how many answered, and holds them until its input ends
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 16, RUSH = 512, WORKERS = 16, EVENTS = 256 };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct sockaddr_in at(int port, unsigned address)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
}

static void no_delay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void serve(int port, int workers)
{
    for (int worker = 1; worker < workers; worker++)
        if (fork() == 0)
            break;
    // One listener each: the kernel shares connections out among them.
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    struct sockaddr_in where = at(port, INADDR_ANY);
    if (bind(listener, (struct sockaddr *)&where, sizeof where) || listen(listener, 4096))
        fail("listen");
    int queue = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(queue, EPOLL_CTL_ADD, listener, &event);
    static char buffer[65536];
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(queue, events, EVENTS, -1);
        for (int index = 0; index < count; index++) {
            int fd = events[index].data.fd;
            if (fd == listener) {
                int taken = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (taken < 0)
                    continue;
                no_delay(taken);
                event = (struct epoll_event){.events = EPOLLIN, .data.fd = taken};
                epoll_ctl(queue, EPOLL_CTL_ADD, taken, &event);
                continue;
            }
            ssize_t got = read(fd, buffer, sizeof buffer);
            if (got > 0) {
                if (write(fd, buffer, got) != got)
                    close(fd);
            } else if (got == 0 || errno != EAGAIN) {
                close(fd);
            }
        }
    }
}

static int dial(int port, int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
    if (fd < 0)
        fail("socket");
    no_delay(fd);
    struct sockaddr_in where = at(port, INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&where, sizeof where) && errno != EINPROGRESS)
        fail("connect");
    return fd;
}

static int compare(const void *one, const void *other)
{
    long long difference = *(const long long *)one - *(const long long *)other;
    return (difference > 0) - (difference < 0);
}

static void latency(int port, int rounds)
{
    int fd = dial(port, 0), warm = rounds / 10;
    long long *times = calloc(rounds, sizeof *times);
    char byte = 'x';
    for (int round = -warm; round < rounds; round++) {
        long long began = now();
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
            fail("round trip");
        if (round >= 0)
            times[round] = now() - began;
    }
    qsort(times, rounds, sizeof *times, compare);
    printf("%lld %lld\n", times[rounds / 2], times[rounds * 99 / 100]);
}

static void pace(int port, int rounds)
{
    long long *times = calloc(rounds, sizeof *times);
    for (int round = 0; round < rounds; round++) {
        long long began = now();
        int fd = dial(port, 0);
        char byte = 'x';
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
            fail("round trip");
        close(fd);
        times[round] = now() - began;
    }
    qsort(times, rounds, sizeof *times, compare);
    printf("%lld\n", times[rounds / 2]);
}

static void begin(int queue, int port)
{
    int fd = dial(port, SOCK_NONBLOCK);
    struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event);
}

static void connects(int port, int total, int at_once)
{
    int queue = epoll_create1(0), begun = 0, done = 0;
    struct epoll_event events[RUSH];
    long long start = now();
    for (; begun < at_once; begun++)
        begin(queue, port);
    while (done < total) {
        int count = epoll_wait(queue, events, at_once, 10000);
        if (count <= 0)
            fail("no answer");
        for (int index = 0; index < count; index++) {
            int fd = events[index].data.fd;
            char byte = 'x';
            if (events[index].events & EPOLLOUT) {
                if (write(fd, &byte, 1) != 1)
                    fail("write");
                struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
                epoll_ctl(queue, EPOLL_CTL_MOD, fd, &event);
                continue;
            }
            if (read(fd, &byte, 1) != 1)
                fail("read");
            close(fd);
            done++;
            if (begun < total) {
                begin(queue, port);
                begun++;
            }
        }
    }
    printf("%.0f\n", total * 1e9 / (now() - start));
}

static void idle(int port, int total)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int open = 0;
    for (; open < total; open++) {
        int fd = dial(port, 0);
        char byte = 'x';
        struct timeval wait = {.tv_sec = 60};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
            break;
    }
    printf("%d\n", open);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0)
        ;
}

static int storm_step(int old, int odd)
{
    static const char half[] = "GET /v1/identity HTTP/1.1\r\nHost: no";
    struct sockaddr_in door = at(2352, 0x0A400001);
    if (old >= 0)
        close(old);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    connect(fd, (struct sockaddr *)&door, sizeof door);
    if (odd)
        send(fd, half, sizeof half - 1, MSG_NOSIGNAL);
    return fd;
}

static void storm(void)
{
    enum { HELD = 900 };
    static int held[HELD];
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in where = at(7000, INADDR_ANY);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&where, sizeof where) || listen(listener, 16))
        fail("listen");
    memset(held, -1, sizeof held);
    for (;;) {
        int control = accept(listener, NULL, NULL);
        char byte, text[32];
        long opened = 0;
        while (recv(control, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
            for (int step = 0; step < 50; step++, opened++)
                held[opened % HELD] = storm_step(held[opened % HELD], opened & 1);
        for (int index = 0; index < HELD; index++) {
            if (held[index] >= 0)
                close(held[index]);
            held[index] = -1;
        }
        send(control, text, snprintf(text, sizeof text, "%ld\n", opened), MSG_NOSIGNAL);
        close(control);
    }
}

static int datagram_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0)
        fail("socket");
    return fd;
}

static void datagrams(void)
{
    static char buffer[65536];
    int fd = datagram_socket();
    struct sockaddr_in where = at(7000, INADDR_ANY), from;
    if (bind(fd, (struct sockaddr *)&where, sizeof where))
        fail("bind");
    for (;;) {
        socklen_t length = sizeof from;
        ssize_t got = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length);
        if (got >= 0)
            sendto(fd, buffer, got, 0, (struct sockaddr *)&from, length);
    }
}

static void datagram(const char *address, int port)
{
    char buffer[64] = "";
    int fd = datagram_socket();
    struct sockaddr_in where = at(port, ntohl(inet_addr(address)));
    struct timeval wait = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, (struct sockaddr *)&where, sizeof where) || send(fd, "one", 3, 0) != 3)
        fail("send");
    if (recv(fd, buffer, sizeof buffer - 1, 0) < 0)
        fail("recv");
    printf("%s\n", buffer);
}

int main(int count, char **words)
{
    const char *name = strrchr(words[0], '/');
    name = name ? name + 1 : words[0];
    if (strcmp(name, "echo") == 0)
        serve(7000, 1);
    if (strcmp(name, "many") == 0)
        serve(7000, WORKERS);
    if (strcmp(name, "storm") == 0)
        storm();
    if (strcmp(name, "datagrams") == 0)
        datagrams();
    if (count == 3 && strcmp(words[1], "serve") == 0)
        serve(atoi(words[2]), 1);
    if (count != 4)
        return 64;
    if (strcmp(words[1], "datagram") == 0) {
        datagram(words[2], atoi(words[3]));
        return 0;
    }
    int port = atoi(words[2]), amount = atoi(words[3]);
    if (strcmp(words[1], "latency") == 0)
        latency(port, amount);
    else if (strcmp(words[1], "pace") == 0)
        pace(port, amount);
    else if (strcmp(words[1], "connect") == 0)
        connects(port, amount, AT_ONCE);
    else if (strcmp(words[1], "rush") == 0)
        connects(port, amount, RUSH);
    else if (strcmp(words[1], "idle") == 0)
        idle(port, amount);
    else
        return 64;
    return 0;
}
