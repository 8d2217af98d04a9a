#include "bundle.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace gantry::test {
namespace {

using nlohmann::json;

const char* kSpec = R"({
  "ociVersion": "1.2.0",
  "hostname": "box",
  "root": {"path": "", "readonly": false},
  "process": {
    "terminal": false,
    "user": {"uid": 0, "gid": 0},
    "args": ["true"],
    "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "cwd": "/",
    "capabilities": {}
  },
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
     "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]}
  ],
  "linux": {
    "namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}, {"type": "cgroup"}],
    "rootfsPropagation": "rprivate",
    "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts", "/sys/firmware", "/proc/absent"],
    "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
  }
})";

const char* kDefaultCapabilities[] = {"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
                                      "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
                                      "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
                                      "CAP_KILL",    "CAP_AUDIT_WRITE"};

void make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) < 0 && errno != EEXIST) throw std::runtime_error("mkdir " + path);
}

int remove_entry(const char* path, const struct stat*, int, FTW*) { return ::remove(path); }

int give_entry(const char* path, const struct stat* status, int, FTW*) {
  return ::lchown(path, status->st_uid + 100000, status->st_gid + 100000);
}

}  // namespace

Bundle::Bundle() : spec_(json::parse(kSpec)) {
  const char* temporary = std::getenv("TMPDIR");
  directory_ = std::string(temporary ? temporary : "/tmp") + "/gantry-isolation-XXXXXX";
  if (!::mkdtemp(directory_.data())) throw std::runtime_error("mkdtemp");
  ::chmod(directory_.c_str(), 0755);
  for (const char* path : {"", "/bin", "/etc", "/tmp", "/proc", "/dev", "/sys"}) make_directory(root(path));
  std::ifstream from("/bin/busybox", std::ios::binary);
  std::ofstream(root("/bin/busybox"), std::ios::binary) << from.rdbuf();
  ::chmod(root("/bin/busybox").c_str(), 0755);
  for (const char* applet : {"sh",       "cat",   "true", "id",   "ls",  "mount", "stat", "sleep", "readlink",
                             "hostname", "touch", "grep", "echo", "tty", "stty",  "env",  "mkdir", "mknod",
                             "sort",     "sed",   "tr",   "test", "dd",  "kill",  "wc",   "pwd"})
    if (::symlink("busybox", root(std::string("/bin/") + applet).c_str()) < 0) throw std::runtime_error("symlink");
  write_root("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1001:Bob:/home/bob:/bin/sh\n");
  write_root("/etc/group", "root:x:0:\nstaff:x:50:bob,al\nwheel:x:10:bob\n");
  spec_["root"]["path"] = root();
  for (const char* set : {"bounding", "effective", "permitted"}) process()["capabilities"][set] = kDefaultCapabilities;
}

Bundle::~Bundle() { ::nftw(directory_.c_str(), remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

void Bundle::write_root(const std::string& path, const std::string& content, unsigned mode) {
  std::ofstream(root(path), std::ios::binary) << content;
  ::chmod(root(path).c_str(), mode);
}

void Bundle::add_mount(const std::string& destination, const std::string& type, const std::string& source,
                       std::vector<std::string> options) {
  spec_["mounts"].push_back({{"destination", destination}, {"type", type}, {"source", source}, {"options", options}});
}

void Bundle::remove_namespace(const std::string& type) {
  json& namespaces = linux_section()["namespaces"];
  for (size_t i = 0; i < namespaces.size(); ++i)
    if (namespaces[i]["type"] == type) return namespaces.erase(i);
}

void Bundle::use_user_namespace() {
  linux_section()["namespaces"].push_back({{"type", "user"}});
  for (const char* map : {"uidMappings", "gidMappings"})
    linux_section()[map] = json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
  ::nftw(root().c_str(), give_entry, 16, FTW_PHYS);
}

Outcome Bundle::run(LaunchOptions options) {
  Capture capture;
  options.stdio = capture.stdio();
  Process process = create_container(spec_, options);
  return capture.finish(process);
}

Capture::Capture() {
  for (UniqueFd* ends : {out_, err_}) {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) < 0) throw std::runtime_error("pipe");
    ends[0].reset(fds[0]);
    ends[1].reset(fds[1]);
  }
}

Stdio Capture::stdio() const { return {-1, out_[1].get(), err_[1].get()}; }

void Capture::close_writers() {
  out_[1].reset();
  err_[1].reset();
}

std::string Capture::read_line() {
  std::string line;
  char c;
  while (::read(out_[0].get(), &c, 1) == 1 && c != '\n') line += c;
  return line;
}

Outcome Capture::finish(Process& process) {
  close_writers();
  process.start();
  Outcome outcome;
  pollfd fds[2] = {{out_[0].get(), POLLIN, 0}, {err_[0].get(), POLLIN, 0}};
  std::string* texts[2] = {&outcome.out, &outcome.err};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (::poll(fds, 2, 20000) <= 0) throw std::runtime_error("the process does not end");
    for (int i = 0; i < 2; ++i) {
      if (fds[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t size = ::read(fds[i].fd, buffer, sizeof buffer);
      if (size <= 0) fds[i].fd = -1;
      if (size > 0) texts[i]->append(buffer, static_cast<size_t>(size));
    }
  }
  outcome.exit_code = wait_for(process);
  return outcome;
}

int wait_for(const Process& process) {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(process.pidfd()), &info, WEXITED) < 0) return -1;
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string trim(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

namespace {

Process start_sleeping(Bundle& bundle, const LaunchOptions& options) {
  bundle.arguments({"sleep", "600"});
  Process process = create_container(bundle.spec(), options);
  process.start();
  return process;
}

}  // namespace

Sleeper::Sleeper(Bundle& bundle, LaunchOptions options) : bundle_(bundle), process_(start_sleeping(bundle, options)) {}

Sleeper::~Sleeper() {
  ::kill(process_.pid(), SIGKILL);
  wait_for(process_);
}

Outcome Sleeper::exec(nlohmann::json process, LaunchOptions options) {
  Capture capture;
  options.stdio = capture.stdio();
  Process created = create_exec(bundle_.spec(), process, process_.pid(), process_.pidfd(), options);
  return capture.finish(created);
}

Outcome Sleeper::exec_script(const std::string& text) {
  json process = bundle_.process();
  process["args"] = {"sh", "-c", text};
  return exec(process);
}

}  // namespace gantry::test
