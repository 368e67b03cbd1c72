package lockport

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// boundUnsent makes a write wait while so many bytes, or more, of earlier ones are not on their way: what is under way is bounded by the peer's
// window, and what the peer does not read is not the kernel's to keep.
func boundUnsent(c net.Conn, bytes int) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := socket.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes) })
	}
}

// gone says whether a connection's peer has closed it, though what it sent before was not read yet. It does not block.
func gone(c net.Conn) bool {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	var left bool
	raw.Control(func(fd uintptr) {
		asked := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(asked, 0)
		left = err == nil && n > 0 && asked[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return left
}
