// A compiled model as a plug-in: loaded when the program runs, used through the generic interface.
//
//   embed_cpp ./libadder.so adder    says what goes in and out, then lets the model add 123 and 456
//
// Only lathe_rt.h is needed to build this; what the model is, the program asks its descriptor. All
// that must be given back is held by a unique_ptr: library, model and session, in this order.
#include <dlfcn.h>
#include <lathe_rt.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct Release {
    void operator()(void *library) const { dlclose(library); }
    void operator()(lathe_model *model) const { lathe_model_close(model); }
    void operator()(lathe_session *session) const { lathe_session_free(session); }
};

class Model {
public:
    Model(const char *path, const std::string &name) : library_(dlopen(path, RTLD_NOW | RTLD_LOCAL))
    {
        if (!library_) throw std::runtime_error(dlerror());
        desc_ = static_cast<const lathe_desc *>(dlsym(library_.get(), (name + "_desc").c_str()));
        if (!desc_) throw std::runtime_error(dlerror());
        char message[256] = "";
        lathe_open_options options = {};
        options.message = message;
        options.message_size = sizeof message;
        lathe_model *model = nullptr;
        if (lathe_model_open(desc_, &options, &model) != LATHE_OK) throw std::runtime_error(message);
        model_.reset(model);
        lathe_session *session = nullptr;       // no maxima: memory grows when a larger run needs it
        if (lathe_session_new(model, nullptr, &session) != LATHE_OK) throw std::bad_alloc();
        session_.reset(session);
    }

    std::vector<lathe_tensor_info> tensors(int what) const
    {
        std::vector<lathe_tensor_info> all(static_cast<size_t>(lathe_count(desc_, what)));
        for (size_t i = 0; i < all.size(); i++) lathe_info(desc_, what, static_cast<int>(i), &all[i]);
        return all;
    }

    // The outputs lie in the session's own memory and are valid until the next run.
    std::vector<lathe_tensor> run(const std::vector<lathe_tensor> &inputs)
    {
        std::vector<lathe_tensor> outputs(static_cast<size_t>(lathe_count(desc_, LATHE_OUTPUTS)));
        if (lathe_run(session_.get(), inputs.data(), outputs.data()) != LATHE_OK)
            throw std::runtime_error(lathe_session_message(session_.get()));
        return outputs;
    }

private:
    std::unique_ptr<void, Release> library_;
    const lathe_desc *desc_ = nullptr;
    std::unique_ptr<lathe_model, Release> model_;
    std::unique_ptr<lathe_session, Release> session_;
};

static void describe(const char *group, const std::vector<lathe_tensor_info> &tensors)
{
    for (const lathe_tensor_info &t : tensors) {
        std::cout << group << ' ' << t.name << ": elements of type " << t.elem << ", [";
        for (int i = 0; i < t.rank; i++) {
            std::cout << (i ? ", " : "");
            if (t.dims[i] >= 0) std::cout << t.dims[i];
            else std::cout << t.dim_names[i];
        }
        std::cout << "]\n";
    }
}

static int64_t next_token(Model &model, std::vector<int64_t> &tokens)
{
    lathe_tensor ids = {};
    ids.data = tokens.data();
    ids.size = tokens.size() * sizeof tokens[0];
    ids.elem = LATHE_I64;
    ids.rank = 2;
    ids.dims[0] = 1;
    ids.dims[1] = static_cast<int64_t>(tokens.size());
    lathe_tensor logits = model.run({ids})[0];
    const int64_t vocabulary = logits.dims[2];
    const float *last = static_cast<const float *>(logits.data) + (logits.dims[1] - 1) * vocabulary;
    return std::max_element(last, last + vocabulary) - last;
}

int main(int argc, char **argv)
try {
    if (argc != 3) throw std::runtime_error("usage: embed_cpp LIBRARY NAME");
    Model model(argv[1], argv[2]);
    describe("input", model.tensors(LATHE_INPUTS));
    describe("output", model.tensors(LATHE_OUTPUTS));
    std::vector<int64_t> tokens = {1, 2, 3, 10, 4, 5, 6, 11};   // "123+456="
    while (tokens.size() < 12) tokens.push_back(next_token(model, tokens));
    int64_t sum = 0;                                            // the lowest digit comes first
    for (size_t i = 11; i >= 8; i--) sum = 10 * sum + tokens[i];
    std::cout << "123 + 456 = " << sum << '\n';
} catch (const std::exception &e) {
    std::cerr << "embed_cpp: " << e.what() << '\n';
    return 1;
}
