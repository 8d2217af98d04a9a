#include "isolation/devices.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "isolation/error.h"
#include "isolation/path_in_root.h"
#include "isolation/spec_field.h"

namespace gantry {
namespace {

using nlohmann::json;

struct Device {
  std::string path;
  mode_t mode;
  dev_t number;
  uid_t uid = 0;
  gid_t gid = 0;
};

constexpr std::pair<const char*, const char*> kLinks[] = {{"fd", "/proc/self/fd"},
                                                          {"stdin", "/proc/self/fd/0"},
                                                          {"stdout", "/proc/self/fd/1"},
                                                          {"stderr", "/proc/self/fd/2"},
                                                          {"ptmx", "pts/ptmx"}};

/// OCI runtime spec, "Default Devices".
std::vector<Device> default_devices() {
  constexpr mode_t kMode = S_IFCHR | 0666;
  return {{"/dev/null", kMode, makedev(1, 3)},    {"/dev/zero", kMode, makedev(1, 5)},
          {"/dev/full", kMode, makedev(1, 7)},    {"/dev/random", kMode, makedev(1, 8)},
          {"/dev/urandom", kMode, makedev(1, 9)}, {"/dev/tty", kMode, makedev(5, 0)}};
}

mode_t type_of(const std::string& type, const std::string& path) {
  if (type == "c" || type == "u") return S_IFCHR;
  if (type == "b") return S_IFBLK;
  if (type == "p") return S_IFIFO;
  throw Error("device " + path, 0, "\"" + type + "\" is not a type of device");
}

Device read_device(const json& entry) {
  Device device;
  device.path = field_or<std::string>(entry, "path", "");
  if (device.path.empty() || device.path[0] != '/')
    throw Error("device \"" + device.path + "\"", 0, "not an absolute path");
  device.mode = type_of(field_or<std::string>(entry, "type", ""), device.path) |
                (field_or<mode_t>(entry, "fileMode", 0666) & 07777);
  device.number = makedev(field_or<unsigned>(entry, "major", 0), field_or<unsigned>(entry, "minor", 0));
  device.uid = field_or<uid_t>(entry, "uid", 0);
  device.gid = field_or<gid_t>(entry, "gid", 0);
  return device;
}

/// `parent` is a directory descriptor; the node's name there is the last component of the device's path.
void make_node(int parent, const Device& device, const IdMaps& ids) {
  const std::string name = name_of(device.path);
  if (::mknodat(parent, name.c_str(), device.mode, device.number) < 0) {
    if (errno == EEXIST) return;
    throw Error("mknod " + device.path);
  }
  // The umask has taken its part of the mode.
  if (::fchmodat(parent, name.c_str(), device.mode & 07777, 0) < 0) throw Error("chmod " + device.path);
  const uid_t uid = ids.user_outside(device.uid);
  const gid_t gid = ids.group_outside(device.gid);
  if ((uid != 0 || gid != 0) && ::fchownat(parent, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
    throw Error("chown " + device.path);
}

/// Gives `name` in /dev, or with "" /dev itself, to root.
void give_to_root(int dev, const char* name, const IdMaps& ids) {
  if (ids.empty()) return;
  if (::fchownat(dev, name, ids.user_outside(0), ids.group_outside(0), AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
    throw Error(std::string("chown /dev/") + name);
}

void make_links(int dev, const IdMaps& ids) {
  for (const auto& [name, target] : kLinks) {
    if (::symlinkat(target, dev, name) < 0 && errno != EEXIST) throw Error(std::string("symlink /dev/") + name);
    give_to_root(dev, name, ids);
  }
}

bool is_below_dev(const std::string& path) { return path.compare(0, 5, "/dev/") == 0; }

/// A path relative to /dev of which no component can climb.
bool is_plain(const std::string& path) { return path.find("/../") == std::string::npos && name_of(path) != ".."; }

}  // namespace

void populate_dev(int dev, const json& spec, const IdMaps& ids) {
  // The nodes of the spec come first: it may give /dev/null another mode.
  for (const json& entry : field(field(spec, "linux"), "devices")) {
    const Device device = read_device(entry);
    if (!is_below_dev(device.path)) continue;
    if (!is_plain(device.path)) throw Error("device " + device.path, 0, "the path must not contain \"..\"");
    const UniqueFd parent = make_directory_in_root(dev, parent_of(device.path.substr(4)));
    make_node(parent.get(), device, ids);
  }
  for (const Device& device : default_devices()) make_node(dev, device, ids);
  make_links(dev, ids);
  give_to_root(dev, "", ids);
}

void make_devices_in_root(int root, const json& spec, bool populated) {
  for (const json& entry : field(field(spec, "linux"), "devices")) {
    const Device device = read_device(entry);
    if (populated && is_below_dev(device.path)) continue;
    make_node(make_directory_in_root(root, parent_of(device.path)).get(), device, {});
  }
  if (populated) return;
  const UniqueFd dev = make_directory_in_root(root, "/dev");
  for (const Device& device : default_devices()) make_node(dev.get(), device, {});
  make_links(dev.get(), {});
}

}  // namespace gantry
