// An entrypoint whose first act is to connect: to its node's door, and to a name server where it is told
// to. Says what came of it, and then does nothing until it is ended.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char request[] = "GET /v1/identity HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
// A question for the address of "dns".
static const char question[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\3dns\0\0\1\0\1";

static int begin(int kind, const char *host, int port)
{
    struct sockaddr_in node = {.sin_family = AF_INET, .sin_port = htons(port),
                               .sin_addr.s_addr = inet_addr(host)};
    struct timeval patience = {.tv_sec = 30};
    int fd = socket(AF_INET, kind, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return connect(fd, (struct sockaddr *)&node, sizeof node) ? -errno : fd;
}

static void report(const char *what, int fd, const void *bytes, size_t count)
{
    char answer[4096] = "";
    if (fd < 0)
        printf("%s refused: %s\n", what, strerror(-fd));
    else if (write(fd, bytes, count) < 0 || read(fd, answer, sizeof answer - 1) <= 0)
        printf("%s no answer: %s\n", what, strerror(errno));
    else
        printf("%s answered\n", what);
    fflush(stdout);
}

int main(void)
{
    int door = begin(SOCK_STREAM, "10.64.0.1", 2352);
    int names = begin(SOCK_DGRAM, "127.0.0.1", 53);
    report("door", door, request, sizeof request - 1);
    report("names", names, question, sizeof question - 1);
    for (;;)
        pause();
}
