// The least a C program does to ask another process something over a SOCK_SEQPACKET pair, with an
// epoll loop in both: the figure that the wire between daemons is measured against.
//
//   wire-baseline wire-rtt|wire-fd|wire-throughput COUNT
//
// Prints nanoseconds per operation. Both processes run where the caller bound them.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { small_bytes = 40 + 128, large_bytes = 40 + 65536 };

static char buffer[large_bytes];

static void check(int good, const char *what) {
    if (good) return;
    perror(what);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int loop_on(int fd, uint32_t events) {
    int loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = events, .data.fd = fd};
    check(loop >= 0 && epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
    return loop;
}

static void wait_ready(int loop) {
    struct epoll_event events[64];
    int count;
    do count = epoll_wait(loop, events, 64, -1);
    while (count == -1 && errno == EINTR);
    check(count > 0, "epoll_wait");
}

// Sends a descriptor with a packet.
static void send_with(int fd, int passed) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control;
    memset(&control, 0, sizeof control);
    struct iovec part = {buffer, small_bytes};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &passed, sizeof passed);
    check(sendmsg(fd, &message, MSG_NOSIGNAL) == small_bytes, "sendmsg");
}

// Receives a packet with a descriptor, looks whether it is a sealed file, and closes it.
static void receive_with(int fd) {
    union {
        char bytes[CMSG_SPACE(sizeof(int) * 16)];
        struct cmsghdr aligned;
    } control;
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    check(recvmsg(fd, &message, MSG_CMSG_CLOEXEC) == small_bytes, "recvmsg");
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    check(head != NULL && head->cmsg_type == SCM_RIGHTS, "SCM_RIGHTS");
    int passed;
    memcpy(&passed, CMSG_DATA(head), sizeof passed);
    struct stat status;
    check(fstat(passed, &status) == 0 && S_ISREG(status.st_mode), "fstat");
    check((fcntl(passed, F_GETFL) & O_ACCMODE) != O_WRONLY, "F_GETFL");
    check((fcntl(passed, F_GET_SEALS) & F_SEAL_WRITE) != 0, "F_GET_SEALS");
    close(passed);
}

static void serve_small(int fd, int passed) {
    int loop = loop_on(fd, EPOLLIN);
    for (;;) {
        wait_ready(loop);
        ssize_t bytes = recv(fd, buffer, sizeof buffer, 0);
        if (bytes <= 0) exit(0);
        if (passed >= 0) send_with(fd, passed);
        else check(send(fd, buffer, small_bytes, MSG_NOSIGNAL) == small_bytes, "send");
    }
}

static void ask_small(int fd, long count, int with_descriptor) {
    int loop = loop_on(fd, EPOLLIN);
    for (long index = 0; index < count; index++) {
        check(send(fd, buffer, small_bytes, MSG_NOSIGNAL) == small_bytes, "send");
        wait_ready(loop);
        if (with_descriptor) receive_with(fd);
        else check(recv(fd, buffer, sizeof buffer, 0) == small_bytes, "recv");
    }
}

static void send_large(int fd, long count) {
    int loop = loop_on(fd, EPOLLOUT);
    for (long index = 0; index < count; index++) {
        while (send(fd, buffer, large_bytes, MSG_NOSIGNAL | MSG_DONTWAIT) != large_bytes) {
            check(errno == EAGAIN, "send");
            wait_ready(loop);
        }
    }
    exit(0);
}

static void receive_large(int fd, long count) {
    int loop = loop_on(fd, EPOLLIN);
    while (count > 0) {
        wait_ready(loop);
        while (count > 0 && recv(fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0) count--;
    }
}

int main(int argc, char **argv) {
    check(argc == 3, "usage: wire-baseline BENCH COUNT");
    const char *bench = argv[1];
    long count = strtol(argv[2], NULL, 10);
    int ends[2];
    check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    int passed = -1;
    if (strcmp(bench, "wire-fd") == 0) {
        passed = memfd_create("baseline", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        check(fcntl(passed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) == 0, "seal");
    }
    int large = strcmp(bench, "wire-throughput") == 0;
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        close(ends[0]);
        if (large) send_large(ends[1], count);
        serve_small(ends[1], passed);
    }
    close(ends[1]);
    if (!large) ask_small(ends[0], count / 10, passed >= 0);
    uint64_t start = now_ns();
    if (large) receive_large(ends[0], count);
    else ask_small(ends[0], count, passed >= 0);
    printf("%.1f\n", (double)(now_ns() - start) / (double)count);
    close(ends[0]);
    return waitpid(child, NULL, 0) == child ? 0 : 1;
}
