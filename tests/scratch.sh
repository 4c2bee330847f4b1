#!/bin/sh
# Makes a folder for the files of a test run and prints its path: in memory where there is plenty of it, for stores bring all that
# they write to the disk, which the tests would wait for half of their time; otherwise where temporary files go.
set -eu

free() {
    df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'
}

available() {
    awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo 2>/dev/null
}

needed=10000000 # kilobytes
if [ "$(free /dev/shm || echo 0)" -gt "$needed" ] && [ "$(available || echo 0)" -gt "$needed" ]; then
    if folder=$(mktemp -d /dev/shm/topicidx-XXXXXX 2>/dev/null); then
        # Some tests write programs and run them.
        if cp /bin/true "$folder/runs" && "$folder/runs"; then
            rm "$folder/runs"
            echo "$folder"
            exit
        fi
        rm -rf "$folder"
    fi
fi 2>/dev/null
mktemp -d
