/* READ KEYS in a loop by bare SG_IO: what the kernel and the target cost, without any library.
 * read_keys DEVICE COUNT prints nanoseconds a command. Allocation length, locked memory and priority as arbitrate's:
 * under SCHED_FIFO an answer preempts the target's own threads where they share the processor, which costs. */
#include <fcntl.h>
#include <sched.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static unsigned char data[8 + 128 * 8], sense[64];
	unsigned char cdb[10] = { 0x5e, 0, 0, 0, 0, 0, 0, sizeof data >> 8, sizeof data & 0xff, 0 };
	struct sched_param fifo = { .sched_priority = 50 };
	struct timespec a, b;
	long count, i;
	int fd;

	if (argc != 3 || (count = atol(argv[2])) < 1 || (fd = open(argv[1], O_RDONLY | O_NONBLOCK)) < 0) {
		fprintf(stderr, "usage: read_keys DEVICE COUNT\n");
		return 2;
	}
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0 || sched_setscheduler(0, SCHED_FIFO, &fifo) < 0) {
		perror("locked memory, real-time priority");
		return 1;
	}
	clock_gettime(CLOCK_BOOTTIME, &a);
	for (i = 0; i < count; i++) {
		struct sg_io_hdr h = {
			.interface_id = 'S', .dxfer_direction = SG_DXFER_FROM_DEV,
			.cmd_len = sizeof cdb, .cmdp = cdb,
			.mx_sb_len = sizeof sense, .sbp = sense,
			.dxfer_len = sizeof data, .dxferp = data, .timeout = 30000,
		};
		if (ioctl(fd, SG_IO, &h) < 0 || h.status || h.host_status) {
			fprintf(stderr, "SG_IO: status %d host %d\n", h.status, h.host_status);
			return 1;
		}
	}
	clock_gettime(CLOCK_BOOTTIME, &b);
	printf("%lld\n", ((b.tv_sec - a.tv_sec) * 1000000000LL + (b.tv_nsec - a.tv_nsec)) / count);
	return 0;
}
