/* A service that does what it is told, to see from inside what an instance may do.
 *
 * Listens on port 7000. Each connection brings one line and gets an answer, then is closed:
 *   run COMMAND       runs it with /bin/busybox sh; its output, then "=STATUS"
 *   call NR A B C D E makes the system call in a child; "ok", "errno N" or "signal N"
 *   socket FAMILY TYPE PROTOCOL   the same for socket(2)
 *   connect ADDRESS PORT          over TCP; "ok" or "errno N"
 *   allocate MEBIBYTES            takes and touches memory; "ok"
 *   exit CODE, signal NUMBER      ends itself so
 *   say TEXT, complain TEXT       writes a line to its output or error output; "ok"
 *   flood MEBIBYTES               writes so much to its output; "ok"
 *   stubborn                      ignores SIGTERM from now on; "ok"
 *   bomb                          forks until it cannot; "forked N errno E", and all go
 *   environment                   its own environment, one "NAME=VALUE" a line, as execve gave it
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void answer(int fd, const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t sent = write(fd, text, left);
        if (sent <= 0) return;
        text += sent;
        left -= (size_t)sent;
    }
}

static void run(int fd, char *command) {
    pid_t child = fork();
    if (child == 0) {
        dup2(fd, 1);
        dup2(fd, 2);
        execl("/bin/busybox", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    char text[64];
    if (child < 0) {
        snprintf(text, sizeof text, "=errno %d\n", errno);
    } else {
        waitpid(child, &status, 0);
        snprintf(text, sizeof text, "=%d\n",
                 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    answer(fd, text);
}

/* In a child, so that a filter that kills does not kill the probe. */
static void call(int fd, char *arguments) {
    long values[6] = {0};
    char *rest = arguments;
    for (int i = 0; i < 6; i++) values[i] = strtol(rest, &rest, 0);
    pid_t child = fork();
    if (child == 0) {
        long result = syscall(values[0], values[1], values[2], values[3], values[4], values[5]);
        _exit(result < 0 ? errno : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    char text[64] = "ok\n";
    if (WIFSIGNALED(status)) snprintf(text, sizeof text, "signal %d\n", WTERMSIG(status));
    else if (WEXITSTATUS(status)) snprintf(text, sizeof text, "errno %d\n", WEXITSTATUS(status));
    answer(fd, text);
}

static void bomb(int fd) {
    int count = 0;
    pid_t child;
    while ((child = fork()) > 0) count++;
    if (child == 0) {
        close(fd);
        pause();
        _exit(0);
    }
    char text[64];
    snprintf(text, sizeof text, "forked %d errno %d\n", count, errno);
    answer(fd, text);
    close(fd);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    signal(SIGTERM, SIG_DFL);
    while (count-- > 0) wait(NULL);
}

static void reach(int fd, char *arguments) {
    char text[64] = "ok\n";
    char *port = strchr(arguments, ' ');
    struct sockaddr_in there = {.sin_family = AF_INET};
    if (port) *port++ = 0;
    there.sin_port = htons((uint16_t)atoi(port ? port : "0"));
    inet_pton(AF_INET, arguments, &there.sin_addr);
    int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (out < 0 || connect(out, (struct sockaddr *)&there, sizeof there))
        snprintf(text, sizeof text, "errno %d\n", errno);
    close(out);
    answer(fd, text);
}

static void allocate(int fd, size_t mebibytes) {
    char *memory = mmap(NULL, mebibytes << 20, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        answer(fd, "refused\n");
        return;
    }
    memset(memory, 1, mebibytes << 20);
    answer(fd, "ok\n");
}

static void obey(int fd, char *line) {
    line[strcspn(line, "\n")] = 0;
    char *rest = strchr(line, ' ');
    if (rest) *rest++ = 0;
    else rest = line + strlen(line);
    if (!strcmp(line, "run")) run(fd, rest);
    else if (!strcmp(line, "call")) call(fd, rest);
    else if (!strcmp(line, "socket")) {
        char text[128];
        snprintf(text, sizeof text, "%d %s", SYS_socket, rest);
        call(fd, text);
    } else if (!strcmp(line, "connect")) reach(fd, rest);
    else if (!strcmp(line, "allocate")) allocate(fd, (size_t)atol(rest));
    else if (!strcmp(line, "exit")) _exit(atoi(rest));
    else if (!strcmp(line, "signal")) {
        signal(atoi(rest), SIG_DFL);
        kill(getpid(), atoi(rest));
    } else if (!strcmp(line, "say") || !strcmp(line, "complain")) {
        dprintf(line[0] == 's' ? 1 : 2, "%s\n", rest);
        answer(fd, "ok\n");
    } else if (!strcmp(line, "flood")) {
        static char block[(1 << 20) + 1];
        memset(block, 'x', sizeof block - 1);
        for (int i = 63; i < (int)sizeof block - 1; i += 64) block[i] = '\n';
        for (long left = atol(rest); left > 0; left--) answer(1, block);
        answer(fd, "ok\n");
    } else if (!strcmp(line, "stubborn")) {
        signal(SIGTERM, SIG_IGN);
        answer(fd, "ok\n");
    } else if (!strcmp(line, "bomb")) bomb(fd);
    else if (!strcmp(line, "environment")) {
        for (char **entry = environ; *entry; entry++) {
            answer(fd, *entry);
            answer(fd, "\n");
        }
    } else answer(fd, "what?\n");
}

int main(void) {
    setpgid(0, 0); /* so that `bomb` ends its own children only */
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(7000),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 16)) {
        perror("probe");
        return 1;
    }
    printf("probe ready\n");
    fflush(stdout);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        char line[4096];
        size_t length = 0;
        while (length < sizeof line - 1) {
            ssize_t got = read(fd, line + length, sizeof line - 1 - length);
            if (got <= 0) break;
            length += (size_t)got;
            if (memchr(line, '\n', length)) break;
        }
        line[length] = 0;
        if (length) obey(fd, line);
        close(fd);
    }
}
