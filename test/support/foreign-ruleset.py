#!/usr/bin/env python3
"""Makes and shows an nftables table of somebody else, without libnftables, which may not survive what is in it.

  foreign-ruleset.py make TABLE   a table `inet TABLE` with sets whose userdata only their maker understands
  foreign-ruleset.py show TABLE   all that the kernel tells of its chains, sets and elements
"""
import socket
import struct
import sys

NFTABLES = 10
INET = 1
ADDRESS = 7
NEWTABLE, NEWCHAIN, GETCHAIN, NEWSET, GETSET, NEWSETELEM, GETSETELEM = 0, 3, 4, 9, 10, 12, 13
REQUEST, ACK, DUMP, CREATE = 1, 4, 0x300, 0x400
ERROR, DONE, BATCH_BEGIN, BATCH_END = 2, 3, 16, 17

USERDATA = [
    # As nft 1.1.3 writes it for a set of addresses; libnftables 1.0.6 crashes on it.
    bytes.fromhex('000402000000' '0308' '000404000000' '0100'),
    b'\x03\xff\x00',
    b'\xff\x00\x00\x00',
    b'\xff' * 200,
]


def attribute(number, data):
    if isinstance(data, str):
        data = data.encode() + b'\0'
    if isinstance(data, int):
        data = struct.pack('>I', data)
    return struct.pack('=HH', len(data) + 4, number) + data + b'\0' * (-len(data) % 4)


def message(kind, flags, body=b'', family=INET, resource=0):
    payload = struct.pack('>BBH', family, 0, resource) + body
    return struct.pack('=IHHII', len(payload) + 16, kind, flags | REQUEST, 1, 0) + payload


def request(kind, flags, *attributes):
    return message(NFTABLES << 8 | kind, flags, b''.join(attribute(number, data) for number, data in attributes))


def answers(connection):
    """The bodies of what comes, until a list ends or nothing more is there."""
    while True:
        try:
            data = connection.recv(65536)
        except BlockingIOError:
            return
        while data:
            length, kind = struct.unpack_from('=IH', data)
            if kind == DONE:
                return
            if kind == ERROR:
                code = -struct.unpack_from('=i', data, 16)[0]
                if code:
                    raise OSError(code, 'nftables refuses')
            else:
                yield data[16:length]
            data = data[(length + 3) & ~3:]


def open_connection():
    connection = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    connection.setblocking(False)  # The kernel has answered when a request has been sent.
    return connection


def make(table):
    requests = [request(NEWTABLE, CREATE | ACK, (1, table)), request(NEWCHAIN, CREATE | ACK, (1, table), (3, 'chain'))]
    for number, userdata in enumerate(USERDATA, 1):
        name = f'set{number}'
        requests.append(request(NEWSET, CREATE | ACK, (1, table), (2, name), (4, ADDRESS), (5, 4), (10, number), (13, userdata)))
        key = attribute(1, attribute(1, socket.inet_aton('192.0.2.1')))
        requests.append(request(NEWSETELEM, CREATE | ACK, (1, table), (2, name), (3, attribute(1, key))))
    begin, end = (message(kind, 0, family=0, resource=NFTABLES) for kind in (BATCH_BEGIN, BATCH_END))
    connection = open_connection()
    connection.send(begin + b''.join(requests) + end)
    list(answers(connection))


def show(table):
    def listed(kind, *limits):
        connection = open_connection()
        connection.send(request(kind, DUMP, *limits))
        return [body.hex() for body in answers(connection) if attribute(1, table) in body]

    lines = listed(GETCHAIN) + listed(GETSET, (1, table))
    for number in range(1, len(USERDATA) + 1):
        lines += listed(GETSETELEM, (1, table), (2, f'set{number}'))
    # Without the header, which has the generation of the whole ruleset.
    print('\n'.join(line[8:] for line in lines))


{'make': make, 'show': show}[sys.argv[1]](sys.argv[2])
