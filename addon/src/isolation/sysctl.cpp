#include "isolation/sysctl.h"

#include <sched.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "isolation/error.h"
#include "isolation/system_calls.h"
#include "isolation/unique_fd.h"

namespace gantry {
namespace {

/// The namespace a sysctl belongs to, or 0 for the host's own.
uint64_t namespace_of(const std::string& name) {
  for (const char* known : {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
                            "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"})
    if (name == known) return CLONE_NEWIPC;
  if (name.compare(0, 10, "fs.mqueue.") == 0) return CLONE_NEWIPC;
  if (name == "kernel.domainname") return CLONE_NEWUTS;
  return is_network_sysctl(name) ? uint64_t{CLONE_NEWNET} : 0;
}

/// "net.ipv4.ip_forward" and "net/ipv4/ip_forward" are both written; the first separator decides, as in sysctl.d(5), so
/// that "net/ipv4/conf/eth0.1/forwarding" can name an interface with a dot.
std::string file_of(const std::string& name) {
  std::string file = name;
  const size_t first = file.find_first_of("./");
  if (first == std::string::npos || file[first] == '/') return file;
  for (char& c : file) c = c == '.' ? '/' : c == '/' ? '.' : c;
  return file;
}

/// Whether a component of the file's path is empty or climbs: "net/../kernel/panic" is not of the network.
bool is_devious(const std::string& file) {
  const std::string path = "/" + file + "/";
  return path.find("//") != std::string::npos || path.find("/../") != std::string::npos ||
         path.find("/./") != std::string::npos;
}

}  // namespace

bool is_network_sysctl(const std::string& name) {
  return name.compare(0, 4, "net.") == 0 || name.compare(0, 4, "net/") == 0;
}

void check_sysctls(const nlohmann::json& sysctls, uint64_t own) {
  if (!sysctls.is_object()) return;
  for (const auto& [name, value] : sysctls.items()) {
    const uint64_t space = namespace_of(name);
    if (space == 0 || is_devious(file_of(name))) throw Error("sysctl " + name, 0, "not in a separate kernel namespace");
    if ((own & space) == 0) throw Error("sysctl " + name, 0, "not allowed in the host's namespace");
    if (!value.is_string()) throw Error("sysctl " + name, 0, "the value must be a string");
  }
}

void write_sysctl(int proc, const std::string& name, const std::string& value) {
  const std::string path = "sys/" + file_of(name);
  const UniqueFd file(
      sys::openat2(proc, path.c_str(), O_WRONLY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV));
  if (!file) throw Error("open sysctl " + name + " file");
  if (::write(file.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
    throw Error("write sysctl " + name + " = " + value);
}

}  // namespace gantry
