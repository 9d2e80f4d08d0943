#define _GNU_SOURCE
#include "CRelay.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

static int tcp_state(int socket)
{
    // Its first byte is all that is copied.
    struct tcp_info info = {0};
    socklen_t length = sizeof info.tcpi_state;
    return getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ? -1 : info.tcpi_state;
}

int celaut_relay_renew(int socket)
{
    int state = tcp_state(socket);
    if (state == TCP_CLOSE_WAIT) {
        // The peer ended first: our end is what closing would send.
        shutdown(socket, SHUT_WR);
        state = tcp_state(socket);
    }
    // In any other state the kernel has something to send, or to wait for, and would drop it.
    if (state != TCP_CLOSE)
        return 0;
    // connect(2): this dissolves the association of a socket with its peer.
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    return connect(socket, &nobody, sizeof nobody) == 0;
}

ssize_t celaut_relay_receive_from(
    int socket, void *buffer, size_t bytes, uint32_t *address, uint16_t *port)
{
    struct sockaddr_in from = {0};
    socklen_t length = sizeof from;
    ssize_t result;
    do
        result = recvfrom(
            socket, buffer, bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return -errno;
    *address = ntohl(from.sin_addr.s_addr);
    *port = ntohs(from.sin_port);
    return result;
}

ssize_t celaut_relay_send_to(
    int socket, const void *buffer, size_t bytes, uint32_t address, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    RETRY(sendto(
        socket, buffer, bytes, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to));
}
