#include "shim/shim_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstring>
#include <stdexcept>

#include "isolation/cgroup.h"
#include "shim/assignment.h"
#include "shim/framing.h"

namespace gantry::test {
namespace {

using nlohmann::json;

constexpr int kPatienceMilliseconds = 10'000;

void await_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  if (poll(&entry, 1, kPatienceMilliseconds) <= 0) throw std::runtime_error("nothing came from the shim");
}

std::array<int, 2> socket_pair() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) throw std::runtime_error("socketpair");
  return ends;
}

/// A copy in memory, as the daemon runs it from: how much of a file counts as a process's memory depends on how it came
/// into the page cache.
int shim_in_memory() {
  static const UniqueFd memory = [] {
    const UniqueFd file(open(GANTRY_SHIM_PATH, O_RDONLY | O_CLOEXEC));
    UniqueFd copy(memfd_create("gantry-shim", MFD_CLOEXEC));
    struct stat status = {};
    if (fstat(file.get(), &status) < 0) throw std::runtime_error("there is no gantry-shim");
    for (off_t left = status.st_size; left > 0;) {
      const ssize_t sent = sendfile(copy.get(), file.get(), nullptr, static_cast<size_t>(left));
      if (sent <= 0) throw std::runtime_error("gantry-shim cannot be copied");
      left -= sent;
    }
    return copy;
  }();
  return memory.get();
}

[[noreturn]] void execute_shim(int control, int program) {
  int null = open("/dev/null", O_RDWR);
  for (int number : {0, 1, 2}) dup2(null, number);
  dup2(control, 3);
  close_range(4, ~0U, CLOSE_RANGE_CLOEXEC);
  setsid();
  char name[] = "gantry-shim";
  char* const arguments[] = {name, nullptr};
  syscall(SYS_execveat, program, "", arguments, environ, AT_EMPTY_PATH);
  _exit(99);
}

void assign(int control, const Bundle& bundle, int network_namespace) {
  UniqueFd log(open(bundle.path("shim.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  gantry::shim::send_assignment(control, {bundle.directory(), log.get(), network_namespace});
}

}  // namespace

void Peer::send(const json& message) { send_raw(shim::frame(message)); }

void Peer::send_raw(const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    ssize_t sent = ::send(socket_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent < 0) throw std::runtime_error("the shim does not take our bytes");
    done += static_cast<size_t>(sent);
  }
}

std::string Peer::read(size_t count) {
  std::string bytes;
  while (bytes.size() < count) {
    await_readable(socket_.get());
    char chunk[65536];
    ssize_t length = recv(socket_.get(), chunk, std::min(sizeof chunk, count - bytes.size()), 0);
    if (length <= 0) break;
    bytes.append(chunk, static_cast<size_t>(length));
  }
  return bytes;
}

std::string Peer::read_to_end() { return read(SIZE_MAX); }

std::string Peer::read_until(const std::string& text) {
  std::string bytes;
  while (bytes.find(text) == std::string::npos) {
    std::string next = read(1);
    if (next.empty()) throw std::runtime_error("the stream ended after: " + bytes);
    bytes += next;
  }
  return bytes;
}

json Peer::receive() {
  std::string header = read(4);
  if (header.size() < 4) throw std::runtime_error("the shim closed the connection");
  uint32_t length = 0;
  std::memcpy(&length, header.data(), 4);
  return json::parse(read(length));
}

void Peer::end_input() { shutdown(socket_.get(), SHUT_WR); }

bool Peer::closed() {
  pollfd entry{socket_.get(), POLLIN, 0};
  char byte;
  return poll(&entry, 1, 0) > 0 && recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

json Peer::request(json request) {
  int id = next_id_++;
  request["id"] = id;
  send(request);
  for (;;) {
    json message = receive();
    if (message.contains("event"))
      events_.push_back(message);
    else if (message.at("id") == id)
      return message;
  }
}

json Peer::event(const std::string& kind) {
  for (;;) {
    json message;
    if (events_.empty()) {
      message = receive();
    } else {
      message = events_.front();
      events_.erase(events_.begin());
    }
    if (message.value("event", "") == kind) return message;
  }
}

ShimProcess::ShimProcess(const Bundle& bundle, int network_namespace) : control(UniqueFd()), bundle_(bundle) {
  bundle.write();
  auto ends = socket_pair();
  control = Peer(UniqueFd(ends[0]));
  UniqueFd theirs(ends[1]);
  const int program = shim_in_memory();
  pid_ = fork();
  if (pid_ == 0) execute_shim(theirs.get(), program);
  assign(control.fd(), bundle, network_namespace);
}

ShimProcess::~ShimProcess() {
  if (running()) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    // The kernel kills the container along; nobody is left to remove its cgroup.
    Cgroup cgroup(bundle_.shim.at("cgroupPath"));
    cgroup.kill();
    cgroup.remove();
    return;
  }
  EXPECT_FALSE(bundle_.has_cgroup());
  EXPECT_NE(access(bundle_.path("shim.sock").c_str(), F_OK), 0);
}

Peer ShimProcess::connect() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", bundle_.path("shim.sock").c_str());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto connected = [&] { return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0; };
  if (!eventually(connected)) throw std::runtime_error("no shim listens");
  return Peer(std::move(socket));
}

Peer ShimProcess::connect_control() const {
  Peer peer = connect();
  peer.send({{"type", "control"}});
  return peer;
}

Peer ShimProcess::attach(bool input, bool output, bool error) const {
  Peer peer = connect();
  peer.send({{"type", "attach"}, {"stdin", input}, {"stdout", output}, {"stderr", error}});
  EXPECT_EQ(peer.receive(), json::parse(R"({"ok":{}})"));
  return peer;
}

Peer ShimProcess::exec(const std::string& id, const std::string& script, bool input) const {
  return exec(id, shell_process(script), input, false);
}

Peer ShimProcess::exec(const std::string& id, const json& process, bool input, bool detach) const {
  Peer peer = connect();
  peer.send({{"type", "exec"},
             {"execId", id},
             {"process", process},
             {"stdin", input},
             {"stdout", true},
             {"stderr", true},
             {"detach", detach}});
  json answer = peer.receive();
  EXPECT_GT(answer.value("ok", json::object()).value("pid", 0), 0) << answer;
  return peer;
}

int ShimProcess::wait() {
  int status = 0;
  pid_t pid = pid_;
  if (!eventually([&] { return waitpid(pid, &status, WNOHANG) == pid; })) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool ShimProcess::running() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

std::string demultiplex(const std::string& frames, int stream) {
  std::string bytes;
  for (size_t at = 0; at + 8 <= frames.size();) {
    size_t length = 0;
    for (size_t byte = 4; byte < 8; ++byte) length = length << 8 | static_cast<unsigned char>(frames[at + byte]);
    if (frames[at] == stream) bytes += frames.substr(at + 8, length);
    at += 8 + length;
  }
  return bytes;
}

}  // namespace gantry::test
