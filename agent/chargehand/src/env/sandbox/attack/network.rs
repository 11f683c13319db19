//! Attempts to reach somebody over sockets of every kind.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixStream};
use std::time::Duration;

use nix::libc;

use super::kernel::raw;
use super::{Attempt, Targets, must_fail};

/// A connection on one machine takes microseconds.
const CONNECT: Duration = Duration::from_millis(200);

const SPACE: &str = "bubblewrap";
const CALLS: &str = "seccomp";

pub(super) const ALL: &[Attempt] = &[
    Attempt {
        name: "tcp",
        what: "connect to a server on this machine",
        layers: [SPACE, CALLS, CALLS],
        residue: None,
        is_harmless: true,
        deed: |targets| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, targets.tcp));
            must_fail(TcpStream::connect_timeout(&address, CONNECT))
        },
    },
    Attempt {
        name: "udp",
        what: "send a datagram to a server on this machine",
        layers: [SPACE, CALLS, CALLS],
        residue: None,
        is_harmless: true,
        deed: |targets| must_fail(send(targets)),
    },
    Attempt {
        name: "unix_socket",
        what: "connect to a socket that has a path, such as a daemon's",
        layers: [SPACE, CALLS, CALLS],
        residue: None,
        is_harmless: true,
        deed: |targets| must_fail(UnixStream::connect(targets.outside.join("socket"))),
    },
    Attempt {
        name: "abstract_socket",
        what: "connect to a socket that has no path",
        layers: [SPACE, CALLS, CALLS],
        residue: None,
        is_harmless: true,
        deed: |targets| {
            let address = UnixAddr::from_abstract_name(&targets.marker);
            must_fail(address.and_then(|address| UnixStream::connect_addr(&address)))
        },
    },
    Attempt {
        name: "socket_pair",
        what: "send to a socket that has a path with one of a pair",
        layers: [SPACE, CALLS, CALLS],
        residue: None,
        is_harmless: true,
        deed: |targets| {
            let pair = UnixDatagram::pair();
            must_fail(pair.and_then(|(one, _)| one.send_to(b"x", targets.outside.join("letters"))))
        },
    },
    Attempt {
        name: "machine_socket",
        what: "open a socket to the host of a virtual machine",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: false,
        deed: |_| raw(libc::SYS_socket, &[libc::AF_VSOCK.into(), libc::SOCK_STREAM.into(), 0]),
    },
    Attempt {
        name: "packet_socket",
        what: "open a socket that sees every packet",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: false,
        deed: |_| raw(libc::SYS_socket, &[libc::AF_PACKET.into(), libc::SOCK_RAW.into(), 0]),
    },
];

/// Sends twice: that nobody takes the first one is told with the second.
fn send(targets: &Targets) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, targets.udp))?;
    socket.send(b"x")?;
    std::thread::sleep(Duration::from_millis(5));
    socket.send(b"x").map(drop)
}
