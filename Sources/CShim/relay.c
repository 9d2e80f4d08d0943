#define _GNU_SOURCE
#include "CRelay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define RETRY(call)                                        \
    do {                                                   \
        __typeof__(call) result;                           \
        do                                                 \
            result = (call);                               \
        while (result < 0 && errno == EINTR);              \
        return result < 0 ? (__typeof__(result))-errno : result; \
    } while (0)

ssize_t celaut_relay_splice(int from, int to, size_t bytes)
{
    RETRY(splice(from, NULL, to, NULL, bytes, SPLICE_F_NONBLOCK | SPLICE_F_MOVE));
}

ssize_t celaut_relay_receive(int socket, void *buffer, size_t bytes, int peek)
{
    RETRY(recv(socket, buffer, bytes, MSG_DONTWAIT | (peek ? MSG_PEEK : 0)));
}

ssize_t celaut_relay_discard(int socket, size_t bytes)
{
    // tcp(7): MSG_TRUNC makes the kernel drop the bytes instead of copying them.
    RETRY(recv(socket, NULL, bytes, MSG_DONTWAIT | MSG_TRUNC));
}

ssize_t celaut_relay_send(int socket, const void *buffer, size_t bytes)
{
    RETRY(send(socket, buffer, bytes, MSG_DONTWAIT | MSG_NOSIGNAL));
}

ssize_t celaut_relay_write(int pipe, const void *buffer, size_t bytes)
{
    RETRY(write(pipe, buffer, bytes));
}

int celaut_reset_on_close(int socket)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    RETRY(setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
}
