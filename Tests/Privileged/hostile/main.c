/* The entrypoint: runs the attack that the environment names. */
#include "hostile.h"

static int refused_count, through_count;

static int counts_as_refusal(int error) {
    static const int all[] = {
        EPERM, EACCES, ENOSYS, EROFS, ENOENT, ESRCH, EAFNOSUPPORT, ECONNREFUSED, EPROTONOSUPPORT,
        ESOCKTNOSUPPORT, ENODEV, ENXIO, ENOTTY, ETXTBSY, ENETUNREACH, EOPNOTSUPP, EMFILE, EAGAIN,
        ENOSPC, E2BIG};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (error == all[i]) return 1;
    return 0;
}

static void tell(const char *what, int error) {
    if (!counts_as_refusal(error)) {
        printf("BAD ATTACK %s: %s\n", what, strerrorname_np(error));
        through_count++;
        return;
    }
    printf("refused %s: %s\n", what, strerrorname_np(error));
    refused_count++;
}

void refused(const char *what, long result) {
    int error = errno;
    if (result == -1) {
        tell(what, error);
        return;
    }
    printf("GOT THROUGH %s = %ld\n", what, result);
    through_count++;
}

void refused_child(const char *what, pid_t child) {
    int status = 0;
    if (waitpid(child, &status, 0) == child && WIFSIGNALED(status)) {
        printf("refused %s: %s\n", what, sigabbrev_np(WTERMSIG(status)));
        refused_count++;
    } else if (WIFEXITED(status) && WEXITSTATUS(status)) {
        tell(what, WEXITSTATUS(status));
    } else {
        printf("GOT THROUGH %s\n", what);
        through_count++;
    }
}

void holds(const char *what, int is_so) {
    printf("%s %s\n", is_so ? "holds" : "GOT THROUGH not", what);
    if (is_so) refused_count++;
    else through_count++;
}

void refused_open(const char *path, int flags) {
    char what[256];
    int fd = open(path, flags | O_CLOEXEC);
    int error = errno;
    snprintf(what, sizeof what, "open %s %s", path, (flags & O_ACCMODE) ? "to write" : "to read");
    errno = error;
    refused(what, fd);
    if (fd >= 0) close(fd);
}

unsigned long status_field(const char *name, int base) {
    char line[256];
    size_t length = strlen(name);
    unsigned long value = ~0ul;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, name, length) && line[length] == ':')
            value = strtoul(line + length + 1, NULL, base);
    if (file) fclose(file);
    return value;
}

const char *asked(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

void ready(void) {
    printf("ready\n");
    fflush(stdout);
}

int main(void) {
    const struct attack *groups[] = {escapes, kernel_surface, sockets, others, files, bombs};
    const char *name = asked("ATTACK");
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t group = 0; group < sizeof groups / sizeof *groups; group++)
        for (const struct attack *attack = groups[group]; attack->name; attack++)
            if (!strcmp(attack->name, name)) {
                attack->run();
                printf("%d refused, %d not\n", refused_count, through_count);
                fflush(stdout);
                return through_count != 0;
            }
    printf("no attack \"%s\"\n", name);
    return 2;
}
