// The calls a relay spends its time in, and what Swift's Glibc does not show of sockets. Each
// is one system call, made again when interrupted; a negative result is -errno, so that nothing on
// this path reads a thread-local variable from Swift.
#pragma once
#include <stdint.h>
#include <sys/types.h>

/// Moves up to `bytes` between a pipe and a socket without waiting.
ssize_t celaut_relay_splice(int from, int to, size_t bytes);
/// Reads into `buffer` without waiting. `peek` leaves the bytes where they are.
ssize_t celaut_relay_receive(int socket, void *buffer, size_t bytes, int peek);
/// Drops up to `bytes` that were peeked at, without copying them.
ssize_t celaut_relay_discard(int socket, size_t bytes);
/// Sends without waiting and without SIGPIPE.
ssize_t celaut_relay_send(int socket, const void *buffer, size_t bytes);
/// Writes to a pipe without waiting.
ssize_t celaut_relay_write(int pipe, const void *buffer, size_t bytes);

/// Receives one datagram of an IPv4 socket without waiting, and who sent it, in host order.
ssize_t celaut_relay_receive_from(
    int socket, void *buffer, size_t bytes, uint32_t *address, uint16_t *port);
/// Sends one datagram without waiting. The address is in host order.
ssize_t celaut_relay_send_to(
    int socket, const void *buffer, size_t bytes, uint32_t address, uint16_t port);

/// Makes an unconnected socket of one whose connection is over both ways, all of it acknowledged.
/// Gives 0 where it is not over, and leaves it alone; 1 where it can be connected again.
int celaut_relay_renew(int socket);

/// Closing the socket will reset the connection.
int celaut_reset_on_close(int socket);
