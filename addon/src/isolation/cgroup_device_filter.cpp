#include "isolation/cgroup_device_filter.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "isolation/error.h"

namespace gantry {
namespace {

DeviceRule allow(char type, std::optional<uint32_t> major, std::optional<uint32_t> minor, const char* access = "rwm") {
  DeviceRule rule;
  rule.allow = true;
  rule.type = type;
  rule.major = major;
  rule.minor = minor;
  rule.access = access;
  return rule;
}

const std::vector<DeviceRule>& provided_devices() {
  constexpr uint32_t MEMORY = 1, TERMINAL = 5, PTY_SLAVE = 136;
  static const std::vector<DeviceRule> rules = {
      // Making a node gives no access to what it stands for.
      allow('c', std::nullopt, std::nullopt, "m"),
      allow('b', std::nullopt, std::nullopt, "m"),
      allow('c', MEMORY, 3),    // null
      allow('c', MEMORY, 5),    // zero
      allow('c', MEMORY, 7),    // full
      allow('c', MEMORY, 8),    // random
      allow('c', MEMORY, 9),    // urandom
      allow('c', TERMINAL, 0),  // tty
      allow('c', TERMINAL, 1),  // console
      allow('c', TERMINAL, 2),  // ptmx
      allow('c', PTY_SLAVE, std::nullopt),
  };
  return rules;
}

bool has_access(const DeviceRule& rule, char letter) { return rule.access.find(letter) != std::string::npos; }

bool is_for_all(const DeviceRule& rule) {
  return rule.type == 'a' && !rule.major && !rule.minor && has_access(rule, 'r') && has_access(rule, 'w') &&
         has_access(rule, 'm');
}

int access_bits(const DeviceRule& rule) {
  return (has_access(rule, 'm') ? BPF_DEVCG_ACC_MKNOD : 0) | (has_access(rule, 'r') ? BPF_DEVCG_ACC_READ : 0) |
         (has_access(rule, 'w') ? BPF_DEVCG_ACC_WRITE : 0);
}

// Registers of the program. ACCESS holds the requested bits that no rule has decided yet.
constexpr uint8_t RESULT = BPF_REG_0, CONTEXT = BPF_REG_1, TYPE = BPF_REG_2, ACCESS = BPF_REG_3, MAJOR = BPF_REG_4,
                  MINOR = BPF_REG_5;

bpf_insn instruction(int code, uint8_t destination, uint8_t source, int offset, int value) {
  bpf_insn result = {};
  result.code = static_cast<uint8_t>(code);
  result.dst_reg = destination & 0xf;
  result.src_reg = source & 0xf;
  result.off = static_cast<int16_t>(offset);
  result.imm = value;
  return result;
}

bpf_insn load_word(uint8_t destination, size_t offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_W, destination, CONTEXT, static_cast<int>(offset), 0);
}
bpf_insn compute(int operation, uint8_t destination, int value) {
  return instruction(BPF_ALU | operation | BPF_K, destination, 0, 0, value);
}
bpf_insn copy(uint8_t destination, uint8_t source) {
  return instruction(BPF_ALU | BPF_MOV | BPF_X, destination, source, 0, 0);
}
bpf_insn jump(int condition, uint8_t register_, int value, int offset) {
  return instruction(BPF_JMP32 | condition | BPF_K, register_, 0, offset, value);
}

void append_return(std::vector<bpf_insn>& program, bool allowed) {
  program.push_back(compute(BPF_MOV, RESULT, allowed ? 1 : 0));
  program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

void append_rule(std::vector<bpf_insn>& program, const DeviceRule& rule) {
  const int bits = access_bits(rule);
  std::vector<bpf_insn> body;
  if (rule.allow) {
    body.push_back(compute(BPF_AND, ACCESS, ~bits));
    body.push_back(jump(BPF_JNE, ACCESS, 0, 2));
    append_return(body, true);
  } else {
    body.push_back(jump(BPF_JSET, ACCESS, bits, 1));
    body.push_back(instruction(BPF_JMP | BPF_JA, 0, 0, 2, 0));
    append_return(body, false);
  }

  std::vector<std::pair<uint8_t, uint32_t>> conditions;
  if (rule.type != 'a')
    conditions.emplace_back(TYPE, rule.type == 'b' ? uint32_t{BPF_DEVCG_DEV_BLOCK} : uint32_t{BPF_DEVCG_DEV_CHAR});
  if (rule.major) conditions.emplace_back(MAJOR, *rule.major);
  if (rule.minor) conditions.emplace_back(MINOR, *rule.minor);
  for (size_t i = 0; i < conditions.size(); ++i) {
    const size_t to_next_rule = conditions.size() - i - 1 + body.size();
    program.push_back(
        jump(BPF_JNE, conditions[i].first, static_cast<int>(conditions[i].second), static_cast<int>(to_next_rule)));
  }
  program.insert(program.end(), body.begin(), body.end());
}

long bpf(int command, bpf_attr& attributes) { return ::syscall(SYS_bpf, command, &attributes, sizeof attributes); }

UniqueFd load_program(const std::vector<bpf_insn>& program) {
  static constexpr char LICENSE[] = "Apache-2.0";
  bpf_attr attributes = {};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<uint64_t>(program.data());
  attributes.insn_cnt = static_cast<uint32_t>(program.size());
  attributes.license = reinterpret_cast<uint64_t>(LICENSE);
  return UniqueFd(static_cast<int>(check(bpf(BPF_PROG_LOAD, attributes), "load the device filter of a cgroup")));
}

std::vector<uint32_t> attached_programs(int cgroup) {
  std::vector<uint32_t> ids(64);
  bpf_attr attributes = {};
  attributes.query.target_fd = static_cast<uint32_t>(cgroup);
  attributes.query.attach_type = BPF_CGROUP_DEVICE;
  attributes.query.prog_ids = reinterpret_cast<uint64_t>(ids.data());
  attributes.query.prog_cnt = static_cast<uint32_t>(ids.size());
  check(bpf(BPF_PROG_QUERY, attributes), "query the device filters of a cgroup");
  ids.resize(attributes.query.prog_cnt);
  return ids;
}

void attach_program(int cgroup, int program) {
  bpf_attr attributes = {};
  attributes.target_fd = static_cast<uint32_t>(cgroup);
  attributes.attach_bpf_fd = static_cast<uint32_t>(program);
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  check(bpf(BPF_PROG_ATTACH, attributes), "attach the device filter of a cgroup");
}

void detach_program(int cgroup, uint32_t id) {
  bpf_attr attributes = {};
  attributes.prog_id = id;
  UniqueFd program(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, attributes)));
  if (!program && errno == ENOENT) return;
  check(program.get(), "open the device filter of a cgroup");
  attributes = {};
  attributes.target_fd = static_cast<uint32_t>(cgroup);
  attributes.attach_bpf_fd = static_cast<uint32_t>(program.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  if (bpf(BPF_PROG_DETACH, attributes) < 0 && errno != ENOENT) throw Error("detach the device filter of a cgroup");
}

std::string v1_rule(const DeviceRule& rule) {
  const auto number = [](const std::optional<uint32_t>& value) { return value ? std::to_string(*value) : "*"; };
  return std::string(1, rule.type) + " " + number(rule.major) + ":" + number(rule.minor) + " " + rule.access;
}

}  // namespace

std::vector<DeviceRule> effective_device_rules(const std::vector<DeviceRule>& rules) {
  std::vector<DeviceRule> all = rules;
  all.insert(all.end(), provided_devices().begin(), provided_devices().end());
  const auto last_for_all = std::find_if(all.rbegin(), all.rend(), is_for_all);
  if (last_for_all != all.rend()) all.erase(all.begin(), last_for_all.base() - 1);
  return all;
}

bool allows_everything(const std::vector<DeviceRule>& rules) {
  return std::all_of(rules.begin(), rules.end(), [](const DeviceRule& rule) { return rule.allow; });
}

std::vector<bpf_insn> device_filter_program(const std::vector<DeviceRule>& rules) {
  std::vector<bpf_insn> program = {
      load_word(TYPE, offsetof(bpf_cgroup_dev_ctx, access_type)),
      copy(ACCESS, TYPE),
      compute(BPF_AND, TYPE, 0xffff),
      compute(BPF_RSH, ACCESS, 16),
      load_word(MAJOR, offsetof(bpf_cgroup_dev_ctx, major)),
      load_word(MINOR, offsetof(bpf_cgroup_dev_ctx, minor)),
  };
  // From the last rule to the first: the first that decides about an access is the one that wins.
  bool decided = false;
  for (auto rule = rules.rbegin(); rule != rules.rend() && !decided; ++rule) {
    decided = is_for_all(*rule);
    if (decided) {
      append_return(program, rule->allow);
    } else {
      append_rule(program, *rule);
    }
  }
  if (!decided) append_return(program, true);
  return program;
}

void filter_devices_v2(const CgroupDirectory& directory, const std::vector<DeviceRule>& rules) {
  const UniqueFd cgroup = directory.open_directory();
  const std::vector<uint32_t> before = attached_programs(cgroup.get());
  if (!allows_everything(rules)) attach_program(cgroup.get(), load_program(device_filter_program(rules)).get());
  // Only now: several programs have to agree, so there is no instant without a filter.
  for (const uint32_t id : before) detach_program(cgroup.get(), id);
}

void filter_devices_v1(const CgroupDirectory& directory, const std::vector<DeviceRule>& rules) {
  if (allows_everything(rules)) {
    directory.write("devices.allow", "a");
    return;
  }
  const UniqueFd allowed = directory.open_file("devices.allow", O_WRONLY);
  const UniqueFd denied = directory.open_file("devices.deny", O_WRONLY);
  for (const DeviceRule& rule : rules) {
    const std::string file = rule.allow ? "devices.allow" : "devices.deny";
    // A rule of type "a" is about every device to v1, whatever its numbers.
    std::vector<DeviceRule> parts = {rule};
    if (rule.type == 'a' && !is_for_all(rule)) {
      parts = {rule, rule};
      parts[0].type = 'b';
      parts[1].type = 'c';
    }
    for (const DeviceRule& part : parts) {
      const std::string text = is_for_all(part) ? "a" : v1_rule(part);
      const ssize_t wrote = ::write((rule.allow ? allowed : denied).get(), text.data(), text.size());
      if (wrote < 0) throw Error("write " + text + " to " + directory.name() + "/" + file);
    }
  }
}

}  // namespace gantry
