#!/usr/bin/env bash
# Builds what the emulated board boots, from Debian packages alone: build-image.sh FOLDER
#   FOLDER/xen, FOLDER/linux          the hypervisor and the kernel
#   FOLDER/initramfs                  finds the root disk, in dom0 and in guests
#   FOLDER/root.img                   the root of dom0 and of all guests, ext4, label memtide-root
# Needs root or fakeroot, mmdebstrap, e2fsprogs, cpio. Takes about a minute; nothing is emulated. Ends with 75 where no
# mirror with these packages answers.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf '  %s\n' "$*" >&2; }

packages=(
  xen-hypervisor-4.20-arm64 xen-utils-4.20 xenstore-utils linux-image-arm64 nodejs
  base-files base-passwd bash bsdutils busybox-static coreutils debianutils diffutils findutils grep hostname iproute2
  kmod libc-bin mawk mosquitto-clients procps sed socat sysvinit-utils util-linux
)

say 'packages'
# The machine's own mirror, where it is one of Debian.
own() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' | grep -v security | head -n 1 || true; }
site=${MEMTIDE_DEBIAN_MIRROR:-$(own)}
if [ -z "$site" ]; then
  echo 'this machine knows no Debian mirror: run apt-get update, or name one in MEMTIDE_DEBIAN_MIRROR' >&2
  exit 75
fi
tries=0
until /usr/lib/apt/apt-helper -o Acquire::Retries=3 download-file "$site/dists/trixie/InRelease" "$work/InRelease" >"$work/log" 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge 3 ]; then
    tail -n 3 "$work/log" >&2
    exit 75
  fi
  sleep 5
done
printf 'deb [arch=arm64] %s trixie main\n' "$site" >"$work/sources.list"
mmdebstrap --quiet --architectures=arm64 --variant=extract --aptopt='Acquire::Retries "5"' \
  --include="$(IFS=,; echo "${packages[*]}")" trixie "$work/root.tar" "$work/sources.list" 2>"$work/log" ||
  { tail -n 20 "$work/log" >&2; exit 1; }

say 'root'
mkdir "$work/root"
# Its device nodes are the kernel's to make, and a container may not.
tar -xf "$work/root.tar" -C "$work/root" --exclude='./dev/*'
rm "$work/root.tar"
root=$work/root
release=$(basename "$root"/usr/lib/modules/*)
depmod -b "$root" "$release"
mkdir -p "$root/usr/lib/memtide"
install -m 755 "$here/image/init" "$here/image/serve" "$root/usr/lib/memtide/"
install -m 644 "$here/image/dom0" "$here/image/guest" "$root/usr/lib/memtide/"
install -m 755 "$here/image/guest-run" "$here/image/memtide" "$here/image/memtide-agent" "$root/usr/bin/"
install -m 755 "$here/image/block-plain" "$here/image/vif-plain" "$root/etc/xen/scripts/"
printf 'root:x:0:0:root:/root:/bin/bash\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"
rm -rf "$root/var/run" "$root/var/lock"
ln -s /run "$root/var/run"
ln -s /run/lock "$root/var/lock"
# What the packages' own scripts would have set up.
ln -sfn mawk "$root/usr/bin/awk"
ln -sfn which.debianutils "$root/usr/bin/which"
ln -sfn bash "$root/usr/bin/sh"
mkdir -p "$root/opt/memtide" "$root/below"
rm -rf "$root"/usr/share/{doc,man,locale,info} "$root"/var/cache/apt "$root"/var/lib/apt/lists

say 'hypervisor, kernel, initramfs'
cp "$root"/boot/xen-4.20-arm64 "$folder/xen"
cp "$root/boot/vmlinuz-$release" "$folder/linux"
early=$work/early
mkdir -p "$early"/{bin,modules}
cp "$root/usr/bin/busybox" "$early/bin/busybox"
install -m 755 "$here/image/initramfs-init" "$early/init"
# modprobe is asked which modules each needs, in order; the kernel here may be another, so by file alone.
for module in virtio_mmio virtio_pci virtio_blk xen-blkfront ext4 overlay; do
  modprobe --dirname "$root" --set-version "$release" --show-depends "$module" 2>/dev/null
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$work/order"
while read -r file; do
  name=$(basename "$file")
  case $name in
    *.xz) xz -dc "$file" >"$early/modules/${name%.xz}"; name=${name%.xz} ;;
    *) cp "$file" "$early/modules/$name" ;;
  esac
  printf '%s\n' "$name" >>"$early/modules/order"
done <"$work/order"
(cd "$early" && find . -print0 | cpio --null --quiet -o -H newc --owner=0:0 | gzip -1) >"$folder/initramfs"

say 'root disk'
# dom0 boots the guests from here.
rm -rf "$root"/boot/*
cp "$folder/linux" "$folder/initramfs" "$root/boot/"
kib=$(du -sk --apparent-size "$root" | cut -f 1)
mke2fs -q -t ext4 -L memtide-root -O ^has_journal -d "$root" "$folder/root.img.new" "$((kib * 13 / 10 + 32768))k" >/dev/null
mv "$folder/root.img.new" "$folder/root.img"
