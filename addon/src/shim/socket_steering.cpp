#include "shim/socket_steering.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <vector>

#include "isolation/error.h"

namespace gantry::shim {
namespace {

constexpr uint32_t kListenerKey = 0;
constexpr uint32_t kDatagramsKey = 1;

long bpf(int command, bpf_attr& attributes) { return syscall(SYS_bpf, command, &attributes, sizeof attributes); }

UniqueFd make_map() {
  bpf_attr attributes = {};
  attributes.map_type = BPF_MAP_TYPE_SOCKMAP;
  attributes.key_size = sizeof(uint32_t);
  attributes.value_size = sizeof(uint64_t);
  attributes.max_entries = 2;
  return UniqueFd(static_cast<int>(check(bpf(BPF_MAP_CREATE, attributes), "make a map of sockets")));
}

void put(const UniqueFd& map, uint32_t key, int socket) {
  uint64_t value = static_cast<uint32_t>(socket);
  bpf_attr attributes = {};
  attributes.map_fd = static_cast<uint32_t>(map.get());
  attributes.key = reinterpret_cast<uint64_t>(&key);
  attributes.value = reinterpret_cast<uint64_t>(&value);
  check(bpf(BPF_MAP_UPDATE_ELEM, attributes), "put a socket into a map");
}

/// The program is a chain of conditions that all lead to its end, and what happens when they hold.
class Program {
 public:
  void add(int code, int destination, int source, int offset, int value) {
    bpf_insn instruction = {};
    instruction.code = static_cast<uint8_t>(code);
    instruction.dst_reg = destination & 0xf;
    instruction.src_reg = source & 0xf;
    instruction.off = static_cast<int16_t>(offset);
    instruction.imm = value;
    instructions_.push_back(instruction);
  }
  void copy(int destination, int source) { add(BPF_ALU64 | BPF_MOV | BPF_X, destination, source, 0, 0); }
  void set(int destination, int value) { add(BPF_ALU64 | BPF_MOV | BPF_K, destination, 0, 0, value); }
  void call(int function) { add(BPF_JMP | BPF_CALL, 0, 0, 0, function); }
  /// Loads a member of the context, which BPF_REG_6 points to.
  void load(int destination, size_t member) {
    add(BPF_LDX | BPF_MEM | BPF_W, destination, BPF_REG_6, static_cast<int>(member), 0);
  }
  void load_map(int destination, const UniqueFd& map) {
    add(BPF_LD | BPF_IMM | BPF_DW, destination, BPF_PSEUDO_MAP_FD, 0, map.get());
    add(0, 0, 0, 0, 0);
  }
  /// To the end if the comparison holds.
  void end_if(int comparison, int operand, int value) {
    to_end_.push_back(instructions_.size());
    add(comparison, operand, 0, 0, value);
  }
  /// The end: the kernel goes on, with the socket that was assigned if there is one.
  void pass() {
    for (size_t index : to_end_) instructions_[index].off = static_cast<int16_t>(instructions_.size() - index - 1);
    set(BPF_REG_0, SK_PASS);
    add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }
  const std::vector<bpf_insn>& instructions() const noexcept { return instructions_; }

 private:
  std::vector<bpf_insn> instructions_;
  std::vector<size_t> to_end_;
};

Program steering_program(const UniqueFd& map, const sockaddr_in& address) {
  constexpr int kUnequal = BPF_JMP32 | BPF_JNE | BPF_K;
  constexpr int kKeyOffset = -4;
  Program program;
  program.copy(BPF_REG_6, BPF_REG_1);
  program.load(BPF_REG_2, offsetof(bpf_sk_lookup, family));
  program.end_if(kUnequal, BPF_REG_2, AF_INET);
  program.load(BPF_REG_2, offsetof(bpf_sk_lookup, local_ip4));
  program.end_if(kUnequal, BPF_REG_2, static_cast<int>(address.sin_addr.s_addr));
  program.load(BPF_REG_2, offsetof(bpf_sk_lookup, local_port));
  program.end_if(kUnequal, BPF_REG_2, ntohs(address.sin_port));
  // The key: which of the two sockets.
  program.set(BPF_REG_3, kDatagramsKey);
  program.load(BPF_REG_2, offsetof(bpf_sk_lookup, protocol));
  program.add(BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_2, 0, 1, IPPROTO_UDP);
  program.set(BPF_REG_3, kListenerKey);
  program.add(BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, BPF_REG_3, kKeyOffset, 0);
  program.load_map(BPF_REG_1, map);
  program.copy(BPF_REG_2, BPF_REG_10);
  program.add(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, kKeyOffset);
  program.call(BPF_FUNC_map_lookup_elem);
  program.end_if(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0);
  program.copy(BPF_REG_7, BPF_REG_0);
  program.copy(BPF_REG_1, BPF_REG_6);
  program.copy(BPF_REG_2, BPF_REG_7);
  program.set(BPF_REG_3, 0);
  program.call(BPF_FUNC_sk_assign);
  program.copy(BPF_REG_1, BPF_REG_7);
  program.call(BPF_FUNC_sk_release);
  program.pass();
  return program;
}

UniqueFd load(const Program& program) {
  static constexpr char kLicense[] = "Apache-2.0";
  bpf_attr attributes = {};
  attributes.prog_type = BPF_PROG_TYPE_SK_LOOKUP;
  attributes.expected_attach_type = BPF_SK_LOOKUP;
  attributes.insns = reinterpret_cast<uint64_t>(program.instructions().data());
  attributes.insn_cnt = static_cast<uint32_t>(program.instructions().size());
  attributes.license = reinterpret_cast<uint64_t>(kLicense);
  return UniqueFd(static_cast<int>(check(bpf(BPF_PROG_LOAD, attributes), "load a socket lookup program")));
}

}  // namespace

UniqueFd steer_port(int network_namespace, const sockaddr_in& address, int listener, int datagrams) {
  UniqueFd map = make_map();
  put(map, kListenerKey, listener);
  put(map, kDatagramsKey, datagrams);
  UniqueFd program = load(steering_program(map, address));
  bpf_attr attributes = {};
  attributes.link_create.prog_fd = static_cast<uint32_t>(program.get());
  attributes.link_create.target_fd = static_cast<uint32_t>(network_namespace);
  attributes.link_create.attach_type = BPF_SK_LOOKUP;
  return UniqueFd(static_cast<int>(check(bpf(BPF_LINK_CREATE, attributes), "attach a socket lookup program")));
}

}  // namespace gantry::shim
