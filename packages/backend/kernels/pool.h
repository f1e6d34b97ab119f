// Threads that share the tasks of one operation at a time, and its scratch memory.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "kernels.h"

namespace coordtok {

class Pool {
 public:
  explicit Pool(int threads) : threads_(threads > 1 ? threads : 1) {
    for (int worker = 1; worker < threads_; worker++) workers_.emplace_back([this, worker] { serve(worker); });
  }
  ~Pool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ended_ = true;
      epoch_.fetch_add(1);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    std::free(scratch_);
  }

  // One caller at a time computes; others, on other threads of the process, wait here.
  std::mutex turn;

  Host host() {
    auto run = [](void* self, Size tasks, void (*body)(void*, Size, int), void* argument) {
      static_cast<Pool*>(self)->run(tasks, body, argument);
    };
    auto scratch = [](void* self, Size floats) { return static_cast<Pool*>(self)->scratch(floats); };
    return {this, threads_, run, scratch};
  }

 private:
  void run(Size tasks, void (*body)(void*, Size, int), void* argument) {
    if (threads_ == 1 || tasks == 1) {
      for (Size task = 0; task < tasks; task++) body(argument, task, 0);
      return;
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      body_ = body, argument_ = argument, tasks_ = tasks, next_.store(0), open_ = true;
      epoch_.fetch_add(1);
    }
    wake_.notify_all();
    work(0);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      open_ = false;  // who wakes up only now finds nothing to do and is not waited for
    }
    for (int turns = 0; active_.load(std::memory_order_acquire) != 0; turns++)
      if (turns > 2000) std::this_thread::yield();
  }

  void work(int worker) {
    for (Size task = next_.fetch_add(1); task < tasks_; task = next_.fetch_add(1)) body_(argument_, task, worker);
  }

  void serve(int worker) {
    for (unsigned seen = 0;;) {
      for (int turns = 0; turns < 4000 && epoch_.load() == seen; turns++) relax();
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return epoch_.load() != seen; });
      seen = epoch_.load();
      if (ended_) return;
      if (!open_) continue;
      active_.fetch_add(1);
      lock.unlock();
      work(worker);
      active_.fetch_sub(1, std::memory_order_release);
    }
  }

  static void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  float* scratch(Size floats) {
    if (floats > size_) {
      std::free(scratch_);
      const std::size_t bytes = (static_cast<std::size_t>(floats) * sizeof(float) + 63) / 64 * 64;
      scratch_ = static_cast<float*>(std::aligned_alloc(64, bytes));
      size_ = scratch_ == nullptr ? 0 : floats;
    }
    static float nothing[16];
    return floats == 0 ? nothing : scratch_;
  }

  const int threads_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<unsigned> epoch_{0};
  std::atomic<int> active_{0};
  std::atomic<Size> next_{0};
  bool open_ = false, ended_ = false;
  void (*body_)(void*, Size, int) = nullptr;
  void* argument_ = nullptr;
  Size tasks_ = 0;
  float* scratch_ = nullptr;
  Size size_ = 0;
};

}  // namespace coordtok
