/* How long a program takes from exec to ready, in microseconds, one number a line.
 *
 *   spawn-ready ROUNDS UID SOCKET NAME PROGRAM ARGUMENT…   until READY=1 on its NOTIFY_SOCKET; the
 *        program gets a listening SOCK_SEQPACKET socket at SOCKET as descriptor 3, named NAME, as a
 *        service manager would give it; it is then ended with SIGTERM and must exit with 0
 *   spawn-ready ROUNDS UID - - PROGRAM ARGUMENT…           until it exits: the baseline
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    fprintf(stderr, "spawn-ready: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int bound(int type, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0);
    if (fd < 0 || strlen(path) >= sizeof address.sun_path) die("socket");
    strcpy(address.sun_path, path);
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address)) die(path);
    chmod(path, 0666);
    return fd;
}

static pid_t start(uid_t uid, int listener, const char *notify, const char *name, char **program) {
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child > 0) return child;
    if (listener >= 0) {
        char pid[32];
        if (listener != 3 && dup2(listener, 3) < 0) die("dup2");
        snprintf(pid, sizeof pid, "%d", getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", name, 1);
        setenv("NOTIFY_SOCKET", notify, 1);
        for (int fd = 4; fd < 64; fd++) close(fd);
    }
    if (uid && (setgid(uid) || setuid(uid))) die("setuid");
    execv(program[0], program);
    die(program[0]);
    return -1;
}

static void wait_ready(int fd, pid_t child) {
    char text[4096];
    for (;;) {
        ssize_t length = recv(fd, text, sizeof text - 1, 0);
        if (length < 0) {
            kill(child, SIGKILL);
            die("not ready within 60 s");
        }
        text[length] = 0;
        if (strstr(text, "READY=1")) return;
    }
}

int main(int count, char **arguments) {
    if (count < 6) {
        fprintf(stderr, "usage: spawn-ready ROUNDS UID SOCKET NAME PROGRAM ARGUMENT...\n");
        return 2;
    }
    int rounds = atoi(arguments[1]), listener = -1, notified = -1;
    char notify[128] = "";
    if (strcmp(arguments[3], "-")) {
        snprintf(notify, sizeof notify, "%s.notify", arguments[3]);
        listener = bound(SOCK_SEQPACKET, arguments[3]);
        if (listen(listener, 16)) die("listen");
        notified = bound(SOCK_DGRAM, notify);
        struct timeval patience = {.tv_sec = 60};
        setsockopt(notified, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    for (int round = 0; round < rounds; round++) {
        double began = now();
        pid_t child =
            start((uid_t)atoi(arguments[2]), listener, notify, arguments[4], arguments + 5);
        int status = 0;
        if (listener >= 0) {
            wait_ready(notified, child);
            printf("%.0f\n", now() - began);
            kill(child, SIGTERM);
            waitpid(child, &status, 0);
        } else {
            waitpid(child, &status, 0);
            printf("%.0f\n", now() - began);
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status)) {
            fprintf(stderr, "spawn-ready: %s ended with status %#x\n", arguments[5], status);
            return 1;
        }
    }
    return 0;
}
