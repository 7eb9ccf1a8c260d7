#!/bin/sh
# Install dvm from this checkout as a systemd service on Debian 12 or 13, or Raspberry Pi OS (64-bit).
# Run it again to upgrade or repair; nothing is done that is done already.
set -eu

usage() {
    cat <<'TEXT'
Usage: sudo deploy/install.sh [options]

  --prefix DIR     where the program goes (default /opt/dvm)
  --root DIR       install below DIR and leave the running system alone (for trials and tests)
  --uninstall      remove the program and the service; keep the state in /var/lib/dvm
  --purge          with --uninstall: remove the state and the user too; the node's key is gone then
  --any-system     go on although this is not Debian 12 or 13 or Raspberry Pi OS
  --help           this text

PYTHON=/path/to/python3 names the Python to use (3.11, 3.12 or 3.13; default /usr/bin/python3).
Exit status: 0 done, 1 this system cannot carry it (one sentence says why), 2 wrong usage.

Example: sudo deploy/install.sh && sudo -u dvm dvm init --home /var/lib/dvm && sudo systemctl enable --now dvm
TEXT
}

refuse() {
    echo "$1" >&2
    exit 1
}

source_dir=$(cd "$(dirname "$0")/.." && pwd)
prefix=/opt/dvm
root=
action=install
purge=no
any_system=no

while [ $# -gt 0 ]; do
    case $1 in
        --prefix | --root)
            if [ $# -lt 2 ] || [ "${2#/}" = "$2" ]; then
                echo "deploy/install.sh: $1 needs an absolute directory" >&2
                exit 2
            fi
            if [ "$1" = --prefix ]; then prefix=${2%/}; else root=${2%/}; fi
            shift
            ;;
        --uninstall) action=uninstall ;;
        --purge) purge=yes ;;
        --any-system) any_system=yes ;;
        --help | -h)
            usage
            exit 0
            ;;
        *)
            echo "deploy/install.sh: unknown option $1 (--help lists them)" >&2
            exit 2
            ;;
    esac
    shift
done
case $prefix in
    "" | *[!A-Za-z0-9/._-]*)
        echo "deploy/install.sh: the prefix may hold letters, digits and / . _ - only, and is not the root" >&2
        exit 2
        ;;
esac
if [ $purge = yes ] && [ $action = install ]; then
    echo "deploy/install.sh: --purge goes with --uninstall" >&2
    exit 2
fi

program=$root$prefix
state=$root/var/lib/dvm
unit=$root/etc/systemd/system/dvm.service
sysusers=$root/etc/sysusers.d/dvm.conf
tmpfiles=$root/etc/tmpfiles.d/dvm.conf
command_link=$root/usr/local/bin/dvm

# True if the running system is the one to change, and it has systemd.
live() {
    [ -z "$root" ] && [ -d /run/systemd/system ]
}

if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
    refuse "Installing a service needs root: sudo deploy/install.sh"
fi

uninstall() {
    if live; then
        systemctl disable --now dvm.service 2>/dev/null || true
    fi
    rm -f "$unit" "$sysusers" "$tmpfiles"
    # Only a link of ours; somebody may have put a program of that name there.
    if [ "$(readlink "$command_link" 2>/dev/null)" = "$prefix/venv/bin/dvm" ]; then
        rm -f "$command_link"
    fi
    rm -rf "$program/venv" "$program/releases"
    if [ -d "$program" ]; then
        rmdir "$program" 2>/dev/null || true
    fi
    if [ $purge = yes ]; then
        rm -rf "$state"
        if [ -z "$root" ] && getent passwd dvm >/dev/null; then
            userdel dvm
        fi
    fi
    if live; then
        systemctl daemon-reload
    fi
    if [ $purge = no ] && [ -d "$state" ]; then
        echo "dvm is removed; its state is still in $state (--uninstall --purge removes that too)."
    else
        echo "dvm is removed."
    fi
}

check_system() {
    if [ "$(getconf LONG_BIT)" != 64 ]; then
        refuse "dvm needs a 64-bit system, because the WebAssembly engine has no 32-bit build; Raspberry Pi Zero 2, 3, 4 and 5 run the 64-bit Raspberry Pi OS."
    fi
    case $(uname -m) in
        x86_64 | aarch64) ;;
        *) refuse "dvm runs on x86-64 and 64-bit ARM, and this machine is $(uname -m)." ;;
    esac
    release=$root/etc/os-release
    [ -e "$release" ] || release=/etc/os-release
    # shellcheck disable=SC1090 # shell syntax by definition, man os-release
    system=$(. "$release" 2>/dev/null && echo "${ID:-unknown} ${VERSION_ID:-}")
    case $system in
        "debian 12" | "debian 13") ;; # the 64-bit Raspberry Pi OS says the same
        *)
            [ $any_system = yes ] || refuse \
                "This is ${system:-an unknown system}, and dvm is tested on Debian 12 and 13 and on the 64-bit Raspberry Pi OS; --any-system goes on regardless."
            ;;
    esac
}

# What is installed is named after its content: the same checkout is not installed twice, another one never mixes in.
release_name() {
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$source_dir/pyproject.toml" | head -n 1)
    digest=$(
        cd "$source_dir"
        find dvm jobs relayclient examples requirements.lock requirements-build.lock pyproject.toml deploy/venv.sh \
            -name node_modules -prune -o -type f ! -name '*.pyc' -print | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum | cut -c 1-12
    )
    echo "$version-$digest"
}

# Copy $1 to $2 with the prefix put in, if that changes anything; true if it did.
place() {
    wanted=$(sed "s#/opt/dvm#$prefix#g" "$1")
    if [ -e "$2" ] && [ "$wanted" = "$(cat "$2")" ]; then
        return 1
    fi
    mkdir -p "$(dirname "$2")"
    printf '%s\n' "$wanted" >"$2.new"
    chmod 0644 "$2.new"
    mv "$2.new" "$2"
}

# The link $2 comes to point to $1 in one step: whoever looks sees the old target or the new one.
point() {
    mkdir -p "$(dirname "$2")"
    ln -sfn "$1" "$2.new"
    mv -T "$2.new" "$2"
}

install() {
    check_system
    # Everybody may read and run the program; only root may change it.
    umask 022
    # The system's own Python: the service cannot look into anybody's home directory.
    PYTHON=${PYTHON:-/usr/bin/python3}
    export PYTHON
    [ -x "$PYTHON" ] || refuse "Python 3 is missing; install it with: sudo apt install python3 python3-venv"
    "$PYTHON" "$source_dir/deploy/check_python.py" || exit 1
    release=$(release_name)
    changed=no
    if [ ! -e "$program/releases/$release/complete" ]; then
        # Half an installation from an interrupted run is made anew.
        rm -rf "$program/releases/$release"
        mkdir -p "$program/releases/$release"
        "$source_dir/deploy/venv.sh" "$program/releases/$release/venv" "$source_dir/requirements.lock" wheel
        touch "$program/releases/$release/complete"
    fi
    if [ "$(readlink "$program/venv" 2>/dev/null)" != "releases/$release/venv" ]; then
        point "releases/$release/venv" "$program/venv"
        changed=yes
    fi
    if [ -e "$command_link" ] && [ ! -L "$command_link" ]; then
        echo "$command_link is not ours and stays; the command is $prefix/venv/bin/dvm." >&2
    elif [ "$(readlink "$command_link" 2>/dev/null)" != "$prefix/venv/bin/dvm" ]; then
        point "$prefix/venv/bin/dvm" "$command_link"
        changed=yes
    fi
    place "$source_dir/systemd/dvm.sysusers" "$sysusers" && changed=yes
    place "$source_dir/systemd/dvm.tmpfiles" "$tmpfiles" && changed=yes
    place "$source_dir/systemd/dvm.service" "$unit" && changed=yes
    if [ -z "$root" ]; then
        systemd-sysusers "$sysusers"
        systemd-tmpfiles --create "$tmpfiles"
    fi
    if live && [ $changed = yes ]; then
        systemctl daemon-reload
        # Running jobs go back to the queue and continue in the new version.
        systemctl try-restart dvm.service
    fi
    # The release before this one stays, to go back to; older ones go.
    find "$program/releases" -mindepth 1 -maxdepth 1 -type d ! -name "$release" -printf '%T@ %p\n' |
        sort -rn | tail -n +2 | cut -d ' ' -f 2- | xargs -r -d '\n' rm -rf
    if [ $changed = no ]; then
        echo "dvm $release is installed already."
        return
    fi
    echo "dvm $release is installed in $program."
    echo "Next: sudo -u dvm dvm init --home /var/lib/dvm && sudo systemctl enable --now dvm"
}

$action
