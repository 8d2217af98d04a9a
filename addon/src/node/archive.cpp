#include <fcntl.h>
#include <unistd.h>

#include <memory>

#include "archive/background_thread.h"
#include "archive/blob.h"
#include "archive/changes.h"
#include "archive/image_archive.h"
#include "archive/pack.h"
#include "archive/stat_path.h"
#include "archive/unpack.h"
#include "node/init.h"
#include "node/own_thread.h"
#include "node/root_argument.h"

namespace gantry {
namespace {

using archive::Root;
using archive::RootSpec;

archive::ByteCounter counter_of(const Napi::Object& options) {
  const Napi::Value value = options.Get("consumed");
  return value.IsExternal() ? *value.As<Napi::External<archive::ByteCounter>>().Data() : nullptr;
}

Napi::Value new_byte_counter(const Napi::CallbackInfo& info) {
  auto counter = std::make_unique<archive::ByteCounter>(std::make_shared<std::atomic<uint64_t>>(0));
  return Napi::External<archive::ByteCounter>::New(info.Env(), counter.release(),
                                                   [](Napi::Env, archive::ByteCounter* holder) { delete holder; });
}

Napi::Value counted_bytes(const Napi::CallbackInfo& info) {
  const archive::ByteCounter& counter = *info[0].As<Napi::External<archive::ByteCounter>>().Data();
  return Napi::Number::New(info.Env(), static_cast<double>(counter->load()));
}

archive::UnpackOptions unpack_options_of(const Napi::Value& value) {
  archive::UnpackOptions result;
  if (!value.IsObject()) return result;
  const auto object = value.As<Napi::Object>();
  result.keep_directory_types = flag_of(object, "noOverwriteDirNonDir");
  result.whiteouts = flag_of(object, "whiteouts");
  result.top_attributes = flag_of(object, "topAttributes");
  if (object.Get("owner").IsObject()) result.owner = owner_of(object.Get("owner"));
  result.uid_map = id_map_of(object, "uid");
  result.gid_map = id_map_of(object, "gid");
  result.max_bytes = size_of(object, "maxBytes");
  result.max_entries = size_of(object, "maxEntries");
  result.consumed = counter_of(object);
  return result;
}

archive::PackOptions pack_options_of(const Napi::Value& value) {
  archive::PackOptions result;
  if (!value.IsObject()) return result;
  const auto object = value.As<Napi::Object>();
  if (object.Get("as").IsString()) result.as = text_of(object, "as");
  result.whiteouts = flag_of(object, "whiteouts");
  result.uid_map = id_map_of(object, "uid");
  result.gid_map = id_map_of(object, "gid");
  result.exclude = texts(object.Get("exclude"));
  return result;
}

Napi::Value stat_path(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto work = [spec = root_of(info[0]), path = info[1].As<Napi::String>().Utf8Value(),
                 root = RootHolder()]() mutable { return archive::stat_path(hold(root, spec), path); };
    return run_on_own_thread(info.Env(), std::move(work), [](Napi::Env env, const archive::PathStat& stat) {
      auto result = Napi::Object::New(env);
      result.Set("name", stat.name);
      result.Set("size", Napi::Number::New(env, static_cast<double>(stat.size)));
      result.Set("mode", Napi::Number::New(env, stat.mode));
      result.Set("uid", Napi::Number::New(env, stat.uid));
      result.Set("gid", Napi::Number::New(env, stat.gid));
      result.Set("mtime", stat.mtime);
      result.Set("linkTarget", stat.link_target);
      result.Set("resolvedPath", stat.resolved_path);
      return result;
    });
  });
}

/// What is read without a thread.
constexpr uint64_t small_file = 128 << 10;

Napi::Value read_file(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const RootSpec spec = root_of(info[0]);
    const std::string path = info[1].As<Napi::String>().Utf8Value();
    const auto limit = static_cast<uint64_t>(info[2].As<Napi::Number>().Int64Value());
    const auto convert = [](Napi::Env env, const std::string& content) {
      return Napi::Buffer<char>::Copy(env, content.data(), content.size());
    };
    if (spec.kind == RootSpec::Kind::directory) {
      const auto small = [&] { return archive::read_small_file(Root(spec), path, small_file, limit); };
      if (const auto promise = run_at_once(info.Env(), small, convert)) return *promise;
    }
    auto work = [spec, path, limit, root = RootHolder()]() mutable {
      return archive::read_file(hold(root, spec), path, limit);
    };
    return run_on_own_thread(info.Env(), std::move(work), convert);
  });
}

Napi::Value pack(const Napi::CallbackInfo& info) {
  // The descriptor is ours from here on, also when something is wrong with the other arguments.
  auto output = std::make_shared<UniqueFd>(info[2].As<Napi::Number>().Int32Value());
  return guarded(info.Env(), [&] {
    auto work = [spec = root_of(info[0]), path = info[1].As<Napi::String>().Utf8Value(), output,
                 options = pack_options_of(info[3]), root = RootHolder()]() mutable {
      const UniqueFd owned = std::move(*output);
      archive::pack(hold(root, spec), path, owned.get(), options);
      return Done{};
    };
    return run_on_own_thread(info.Env(), std::move(work), undefined);
  });
}

Napi::Object unpacked_to_javascript(Napi::Env env, const archive::UnpackResult& unpacked) {
  auto result = Napi::Object::New(env);
  result.Set("bytes", Napi::Number::New(env, static_cast<double>(unpacked.bytes)));
  result.Set("entries", Napi::Number::New(env, static_cast<double>(unpacked.entries)));
  return result;
}

Napi::Value unpack(const Napi::CallbackInfo& info) {
  auto input = std::make_shared<UniqueFd>(info[2].As<Napi::Number>().Int32Value());
  return guarded(info.Env(), [&] {
    auto work = [spec = root_of(info[0]), path = info[1].As<Napi::String>().Utf8Value(), input,
                 options = unpack_options_of(info[3]), root = RootHolder()]() mutable {
      const UniqueFd owned = std::move(*input);
      if (spec.kind != RootSpec::Kind::overlay) archive::unshare_file_system_context();
      return archive::unpack(hold(root, spec), path, owned.get(), options);
    };
    return run_on_own_thread(info.Env(), std::move(work), unpacked_to_javascript);
  });
}

archive::BlobOptions blob_options_of(const Napi::Value& value) {
  archive::BlobOptions result;
  if (!value.IsObject()) return result;
  const auto object = value.As<Napi::Object>();
  result.layer_directory = text_of(object, "layerDirectory");
  result.max_bytes = size_of(object, "maxBytes");
  result.max_entries = size_of(object, "maxEntries");
  result.uid_map = id_map_of(object, "uid");
  result.gid_map = id_map_of(object, "gid");
  result.consumed = counter_of(object);
  return result;
}

Napi::Value blob_to_javascript(Napi::Env env, const archive::ReceivedBlob& blob) {
  auto result = Napi::Object::New(env);
  result.Set("digest", blob.digest);
  result.Set("size", Napi::Number::New(env, static_cast<double>(blob.size)));
  result.Set("compression", archive::name_of(blob.compression));
  result.Set("diffId", blob.diff_id);
  result.Set("start", Napi::Buffer<char>::Copy(env, blob.start.data(), blob.start.size()));
  if (blob.layer_error) {
    result.Set("layerError", to_javascript(env, *blob.layer_error).Value());
  } else if (blob.layer) {
    result.Set("layer", unpacked_to_javascript(env, *blob.layer));
  }
  return result;
}

Napi::Value receive_blob(const Napi::CallbackInfo& info) {
  auto input = std::make_shared<UniqueFd>(info[0].As<Napi::Number>().Int32Value());
  return guarded(info.Env(), [&] {
    auto work = [input, path = info[1].As<Napi::String>().Utf8Value(), options = blob_options_of(info[2])] {
      const UniqueFd owned = std::move(*input);
      archive::enter_background();
      archive::FdStream stream(owned.get());
      return archive::receive_blob(stream, path, options);
    };
    return run_on_own_thread(info.Env(), std::move(work), blob_to_javascript);
  });
}

/// What JavaScript holds of an archive that is being read. Calls under way hold it, too.
using SharedArchive = std::shared_ptr<archive::ImageArchive>;

SharedArchive archive_of(const Napi::Value& value) { return *value.As<Napi::External<SharedArchive>>().Data(); }

Napi::Value open_image_archive(const Napi::CallbackInfo& info) {
  UniqueFd input(info[0].As<Napi::Number>().Int32Value());
  auto opened = std::make_unique<SharedArchive>(std::make_shared<archive::ImageArchive>(std::move(input)));
  return Napi::External<SharedArchive>::New(info.Env(), opened.release(),
                                            [](Napi::Env, SharedArchive* holder) { delete holder; });
}

void close_image_archive(const Napi::CallbackInfo& info) {
  info[0].As<Napi::External<SharedArchive>>().Data()->reset();
}

Napi::Value next_member(const Napi::CallbackInfo& info) {
  auto work = [opened = archive_of(info[0])] {
    archive::enter_background();
    return opened->next();
  };
  return run_on_own_thread(info.Env(), std::move(work),
                           [](Napi::Env env, const std::optional<archive::ArchiveMember>& member) -> Napi::Value {
                             if (!member) return env.Undefined();
                             auto result = Napi::Object::New(env);
                             result.Set("name", member->name);
                             result.Set("type", member->type);
                             result.Set("link", member->link);
                             result.Set("size", Napi::Number::New(env, static_cast<double>(member->size)));
                             return result;
                           });
}

Napi::Value read_member(const Napi::CallbackInfo& info) {
  auto work = [opened = archive_of(info[0]), limit = info[1].As<Napi::Number>().Int64Value()] {
    return opened->read(static_cast<uint64_t>(limit));
  };
  return run_on_own_thread(info.Env(), std::move(work), [](Napi::Env env, const std::string& content) {
    return Napi::Buffer<char>::Copy(env, content.data(), content.size());
  });
}

Napi::Value receive_member(const Napi::CallbackInfo& info) {
  auto work = [opened = archive_of(info[0]), path = info[1].As<Napi::String>().Utf8Value(),
               options = blob_options_of(info[2])] {
    archive::enter_background();
    return opened->receive(path, options);
  };
  return run_on_own_thread(info.Env(), std::move(work), blob_to_javascript);
}

Napi::Value changes(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto work = [lower = texts(info[0]), upper = info[1].As<Napi::String>().Utf8Value(), exclude = texts(info[2])] {
      return archive::list_changes(lower, upper, exclude);
    };
    return run_on_own_thread(info.Env(), std::move(work), [](Napi::Env env, const std::vector<archive::Change>& list) {
      auto result = Napi::Array::New(env, list.size());
      for (uint32_t i = 0; i < list.size(); ++i) {
        auto change = Napi::Object::New(env);
        change.Set("Path", list[i].path);
        change.Set("Kind", Napi::Number::New(env, static_cast<int>(list[i].kind)));
        result.Set(i, change);
      }
      return result;
    });
  });
}

Napi::Value open_pipe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    constexpr int capacity = 1 << 20;  // the kernel's limit for one pipe; fewer switches between the two ends
    int ends[2];
    check(pipe2(ends, O_CLOEXEC), "make pipe");
    static_cast<void>(fcntl(ends[1], F_SETPIPE_SZ, capacity));
    auto result = Napi::Array::New(info.Env(), 2);
    result.Set(0u, Napi::Number::New(info.Env(), ends[0]));
    result.Set(1u, Napi::Number::New(info.Env(), ends[1]));
    return result;
  });
}

}  // namespace

void init_archive(Napi::Env env, Napi::Object exports) {
  exports.Set("statPath", Napi::Function::New(env, stat_path, "statPath"));
  exports.Set("readFile", Napi::Function::New(env, read_file, "readFile"));
  exports.Set("pack", Napi::Function::New(env, pack, "pack"));
  exports.Set("newByteCounter", Napi::Function::New(env, new_byte_counter, "newByteCounter"));
  exports.Set("countedBytes", Napi::Function::New(env, counted_bytes, "countedBytes"));
  exports.Set("unpack", Napi::Function::New(env, unpack, "unpack"));
  exports.Set("receiveBlob", Napi::Function::New(env, receive_blob, "receiveBlob"));
  exports.Set("openImageArchive", Napi::Function::New(env, open_image_archive, "openImageArchive"));
  exports.Set("closeImageArchive", Napi::Function::New(env, close_image_archive, "closeImageArchive"));
  exports.Set("nextMember", Napi::Function::New(env, next_member, "nextMember"));
  exports.Set("readMember", Napi::Function::New(env, read_member, "readMember"));
  exports.Set("receiveMember", Napi::Function::New(env, receive_member, "receiveMember"));
  exports.Set("changes", Napi::Function::New(env, changes, "changes"));
  exports.Set("pipe", Napi::Function::New(env, open_pipe, "pipe"));
}

}  // namespace gantry
