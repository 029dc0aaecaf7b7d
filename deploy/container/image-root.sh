#!/bin/sh
# Puts a container's root together:  deploy/container/image-root.sh LSTMD FOLDER
#
# The daemon without its debug information, the libraries it is linked to, the licences of their
# packages, a user, an empty /mnt/models. FOLDER must not exist.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: $0 LSTMD FOLDER" >&2
    exit 2
fi
binary=$1
root=$2

mkdir -p "$root/usr/local/bin" "$root/etc" "$root/mnt/models"
strip -o "$root/usr/local/bin/lstmd" "$binary"
chmod 755 "$root/usr/local/bin/lstmd"
echo 'lstmd:x:10001:10001:lstmd:/:/nonexistent' >"$root/etc/passwd"
echo 'lstmd:x:10001:' >"$root/etc/group"

# The package of a library; it may be registered under /usr/lib or under /lib, which are one folder.
package_of() {
    dpkg-query -S "$1" 2>/dev/null || dpkg-query -S "/usr$1" 2>/dev/null ||
        dpkg-query -S "${1#/usr}"
}

# "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x...)", or the loader alone without an arrow.
for library in $(ldd "$binary" | grep -o '/[^ ]*'); do
    install -D -m 755 "$(readlink -f "$library")" "$root$library"
    package=$(package_of "$library" | cut -d: -f1 | head -n1)
    install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
done
