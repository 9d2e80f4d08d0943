# Shared by the scripts of this folder; sourced from the repository's root with `set -euo pipefail`.
#
# CELAUT_CONFIGURATION   release (default) or debug: one configuration for programs and tests, so that
#                        the dependencies are compiled once

BUILD_FLAGS=(-c "${CELAUT_CONFIGURATION:-release}")
APT_PATIENCE=(-o Acquire::Retries=5 -o DPkg::Lock::Timeout=600)

# What each group needs of Debian, beside Swift itself.
packages_build=(
    git pkg-config libc6-dev libarchive-dev libcap-dev libseccomp-dev libsystemd-dev libsqlite3-dev)
packages_run=(curl e2fsprogs util-linux redis-tools)
packages_bench=(
    bubblewrap conmon crun debootstrap haproxy iperf3 iproute2 iptables nginx-light podman restic wrk)
packages_package=(binutils dpkg-dev lintian patchelf python3)
packages_system=(debootstrap lintian patchelf dpkg-dev systemd systemd-container util-linux)
packages_test=(
    "${packages_run[@]}" protobuf-compiler python3 python3-pytest python3-protobuf python3-venv
    bubblewrap systemd-tests openssl busybox-static gcc binutils buildah debootstrap umoci skopeo bzip2 xz-utils zstd
    dropbear-bin openssh-client)

section() {
    printf '\n== %s\n' "$1"
}

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# install_packages GROUP…: installs what is missing, and touches the network only for that.
install_packages() {
    local group missing=() name
    for group in "$@"; do
        local -n names="packages_$group"
        for name in "${names[@]}"; do
            dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed ||
                missing+=("$name")
        done
    done
    if ((${#missing[@]} == 0)); then
        echo "all installed"
        return
    fi
    ((EUID == 0)) || fail "These packages are missing; run as root, or install them: ${missing[*]}"
    echo "installing ${missing[*]}"
    thrice get_packages "${missing[@]}"
}

get_packages() {
    apt-get -q "${APT_PATIENCE[@]}" update >/dev/null &&
        DEBIAN_FRONTEND=noninteractive apt-get -y -q "${APT_PATIENCE[@]}" install \
            --no-install-recommends "$@" >/dev/null
}

# thrice COMMAND…: what needs a network, or a lock that somebody else may have, fails now and then.
thrice() {
    "$@" && return
    sleep 5
    "$@" && return
    sleep 20
    "$@"
}

# refresh_packages: so that apt can fetch what the tests make boxes of: lists of some weeks ago name
# files that are gone. Without a network what is there has to do.
refresh_packages() {
    ((EUID != 0)) || timeout 300 apt-get -q "${APT_PATIENCE[@]}" update >/dev/null ||
        echo "the package lists were not refreshed"
}

# build [ARGUMENT…]: builds the package, quietly while it goes well.
build() {
    command -v swift >/dev/null || fail "Swift is not on the PATH: see https://www.swift.org/install"
    swift build "${BUILD_FLAGS[@]}" "$@" 2>&1 |
        { grep -vE '^\[[0-9]+/[0-9]+\]|^(Fetching|Fetched|Computing|Computed|Creating|Working)' || true; }
}

# binaries: the folder that holds the built programs.
binaries() {
    swift build "${BUILD_FLAGS[@]}" --show-bin-path
}
