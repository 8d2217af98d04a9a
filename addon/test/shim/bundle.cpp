#include "shim/bundle.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace gantry::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kBusybox[] = "/bin/busybox";

void make_root(const fs::path& root) {
  for (const char* directory : {"bin", "dev", "proc", "sys", "tmp", "etc", "root"})
    fs::create_directories(root / directory);
  fs::copy_file(kBusybox, root / "bin/busybox");
  for (const char* applet :
       {"sh", "cat", "echo", "sleep", "true", "head", "seq", "stty", "dd", "kill", "id", "yes", "tail"})
    fs::create_symlink("busybox", root / "bin" / applet);
  write_text(root / "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n");
  write_text(root / "etc/group", "root:x:0:\nbob:x:1000:\nextra:x:2000:bob\n");
}

json default_spec() {
  return {{"ociVersion", "1.2.0"},
          {"process", shell_process("true")},
          {"root", {{"path", "rootfs"}, {"readonly", false}}},
          {"hostname", "shim-test"},
          {"mounts",
           {{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}},
            {{"destination", "/dev"}, {"type", "tmpfs"}, {"source", "tmpfs"}, {"options", {"nosuid", "mode=755"}}},
            {{"destination", "/dev/pts"},
             {"type", "devpts"},
             {"source", "devpts"},
             {"options", {"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}}}}},
          {"linux",
           {{"namespaces", {{{"type", "pid"}}, {{"type", "mount"}}, {{"type", "ipc"}}, {{"type", "uts"}}}},
            {"resources", json::object()}}}};
}

}  // namespace

json shell_process(const std::string& script) {
  const std::vector<std::string> capabilities{"CAP_KILL", "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE"};
  return {{"terminal", false},
          {"user", {{"username", "root"}}},
          {"args", {"/bin/sh", "-c", script}},
          {"env", {"PATH=/bin"}},
          {"cwd", "/"},
          {"capabilities", {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}}};
}

Bundle::Bundle() {
  char name[] = "/tmp/gantry-shim-XXXXXX";
  if (!mkdtemp(name)) throw std::runtime_error("mkdtemp");
  directory_ = name;
  const std::string id = fs::path(directory_).filename();
  make_root(path("root"));
  for (const char* directory : {"rootfs", "state", "upper", "work"}) fs::create_directory(path(directory));
  spec = default_spec();
  shim = {{"id", id},
          {"stateDirectory", path("state")},
          {"rootfs", {{"path", path("root")}}},
          {"cgroupPath", "/gantry-shim-test/" + id},
          {"log", {{"driver", "json-file"}, {"path", path("state/json.log")}, {"maxSize", -1}, {"maxFile", 1}}},
          {"stdin", {{"open", false}, {"once", false}}}};
}

Bundle::~Bundle() {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void Bundle::run_script(const std::string& script) { spec["process"]["args"] = {"/bin/sh", "-c", script}; }

void Bundle::use_terminal() {
  spec["process"]["terminal"] = true;
  spec["process"]["consoleSize"] = {{"height", 24}, {"width", 80}};
}

void Bundle::use_overlay() {
  shim["rootfs"] = {{"lower", {path("root")}}, {"upper", path("upper")}, {"work", path("work")}};
}

void Bundle::write() const {
  write_text(path("config.json"), spec.dump());
  write_text(path("shim.json"), shim.dump());
}

std::string Bundle::log() const { return read_text(path("state/json.log")); }

std::vector<json> Bundle::log_lines() const {
  std::vector<json> lines;
  std::istringstream text(log());
  for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
  return lines;
}

std::string Bundle::logged(const std::string& stream) const {
  std::string text;
  for (const auto& line : log_lines())
    if (stream.empty() || line.at("stream") == stream) text += line.at("log").get<std::string>();
  return text;
}

json Bundle::exit_record() const { return json::parse(read_text(path("state/exit.json"))); }

bool Bundle::has_cgroup() const {
  const std::string below = shim.at("cgroupPath");
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup"))
    if (fs::exists(hierarchy.path().string() + below)) return true;
  return fs::exists("/sys/fs/cgroup" + below);
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

}  // namespace gantry::test
