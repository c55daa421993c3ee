# Sourced by the layout scripts: LIO through configfs, and waiting with a limit.
target=/sys/kernel/config/target

say() { echo "lab: $*" >&2; }

# wait_for SECONDS COMMAND...: polls, since most of what is waited for here gives no event a shell could take.
wait_for() {
    left=$(($1 * 20))
    shift
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] || { say "gave up waiting: $*"; return 1; }
        sleep 0.05
    done
}

# counts_to NUMBER GLOB-RESULT...: as many existing paths as wanted.
counts_to() {
    wanted=$1
    shift
    [ -e "$1" ] && [ $# -ge "$wanted" ]
}

lio_start() {
    mount -t configfs config /sys/kernel/config
    # Without this folder LIO answers every persistent PR OUT with NOT READY.
    mkdir -p /var/target/pr
    modprobe -a target_core_mod target_core_file
}

# lio_disk NAME MEBIBYTES: a logical unit backed by a file in memory, unmapped until written.
lio_disk() {
    disk=$target/core/fileio_0/$1
    mkdir -p "$disk"
    echo "fd_dev_name=/tmp/$1.img,fd_dev_size=$(($2 * 1048576))" >"$disk/control"
    # The serial number becomes VPD page 83h: the same on every nexus, different for every disk.
    echo "$1" >"$disk/wwn/vpd_unit_serial"
    echo 1 >"$disk/enable"
}

# lio_link PORTAL-GROUP LUNS: the disks d0, d1, … as LUN 0, 1, …
lio_link() {
    for lun in $(seq 0 $(($2 - 1))); do
        mkdir -p "$1/lun/lun_$lun"
        ln -s "$target/core/fileio_0/d$lun" "$1/lun/lun_$lun/disk"
    done
}

# report NODE INITIATOR SCSI-DEVICE-DIRECTORY: one line of the map that the host reads.
report() {
    echo "nexus $1 $2 ${3##*:} /dev/$(ls "$3/block") /dev/$(ls "$3/scsi_generic")"
}
