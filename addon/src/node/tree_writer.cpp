#include "archive/tree_writer.h"

#include <sys/sysmacros.h>

#include <memory>

#include "node/async.h"
#include "node/init.h"

namespace gantry {
namespace {

using archive::Time;
using archive::TreeWriter;

std::string text(const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); }
mode_t mode_of(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

/// Seconds and nanoseconds: one number does not hold both.
Time time_of(const Napi::Value& seconds, const Napi::Value& nanoseconds) {
  return {seconds.As<Napi::Number>().Int64Value(), nanoseconds.As<Napi::Number>().Int32Value()};
}

/// Each call is a few system calls on a tree that is in the page cache, so none of them leaves the main thread.
template <typename Work>
void add_method(Napi::Object target, const char* name, Work work) {
  target.Set(name, Napi::Function::New(target.Env(), [work](const Napi::CallbackInfo& info) {
               return guarded(info.Env(), [&] { return work(info); });
             }));
}

Napi::Value open_tree(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const auto writer = std::make_shared<TreeWriter>(
        text(info[0]),
        archive::Owner{info[1].As<Napi::Number>().Uint32Value(), info[2].As<Napi::Number>().Uint32Value()});
    const Napi::Object tree = Napi::Object::New(env);
    add_method(tree, "makeDirectory",
               [writer](const Napi::CallbackInfo& call) { writer->make_directory(text(call[0]), mode_of(call[1])); });
    add_method(tree, "writeFile", [writer](const Napi::CallbackInfo& call) {
      const auto content = call[4].As<Napi::Uint8Array>();
      writer->write_file(text(call[0]), mode_of(call[1]), time_of(call[2], call[3]),
                         {reinterpret_cast<const char*>(content.Data()), content.ByteLength()});
    });
    add_method(tree, "createFile", [writer](const Napi::CallbackInfo& call) -> Napi::Value {
      return Napi::Number::New(call.Env(), writer->create_file(text(call[0])).release());
    });
    add_method(tree, "finishFile", [](const Napi::CallbackInfo& call) {
      TreeWriter::finish_file(call[0].As<Napi::Number>().Int32Value(), mode_of(call[1]), time_of(call[2], call[3]));
    });
    add_method(tree, "makeSymbolicLink", [writer](const Napi::CallbackInfo& call) {
      writer->make_symbolic_link(text(call[0]), text(call[1]), time_of(call[2], call[3]));
    });
    add_method(tree, "makeHardLink",
               [writer](const Napi::CallbackInfo& call) { writer->make_hard_link(text(call[0]), text(call[1])); });
    add_method(tree, "makeSpecial", [writer](const Napi::CallbackInfo& call) {
      const dev_t device = makedev(mode_of(call[4]), mode_of(call[5]));
      writer->make_special(text(call[0]), mode_of(call[1]), device, time_of(call[2], call[3]));
    });
    add_method(tree, "setMetadata", [writer](const Napi::CallbackInfo& call) {
      writer->set_metadata(text(call[0]), mode_of(call[1]), time_of(call[2], call[3]));
    });
    add_method(tree, "remove", [writer](const Napi::CallbackInfo& call) { writer->remove(text(call[0])); });
    return tree;
  });
}

}  // namespace

void init_tree_writer(Napi::Env env, Napi::Object exports) {
  exports.Set("openTree", Napi::Function::New(env, open_tree, "openTree"));
}

}  // namespace gantry
