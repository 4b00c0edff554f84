#!/bin/sh
# Installs the programs that some tests use as the real counterpart, where that is possible without a question.
missing=""
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
command -v ffprobe >/dev/null || missing="$missing ffmpeg"
command -v strace >/dev/null || missing="$missing strace"
command -v busybox >/dev/null || missing="$missing busybox"
command -v faketime >/dev/null || missing="$missing faketime"
command -v chromium >/dev/null || missing="$missing chromium"
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "Not installed:$missing. The tests that need them are skipped, and say so." >&2
    exit 0
fi
if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi
echo "Installing$missing for the tests" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the words are meant to be split
{ $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1 ||
    echo "Could not install$missing. The tests that need them are skipped, and say so." >&2
exit 0
