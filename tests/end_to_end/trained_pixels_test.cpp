// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the rdi authors
//
// What the trainer feeds for a picture file is what a deployed program feeds.

#include <gtest/gtest.h>
#include <rdi/rdi.hpp>

#include <torch/torch.h>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "tests/trainer/tiny.hpp"
#include "trainer/device_images.hpp"
#include "trainer/picture.hpp"

namespace {

class TrainedPixels : public testing::Test {
protected:
  void expectSame(int channels, cv::Size size) const {
    cv::Mat picture(48, 80, CV_8UC3);
    cv::RNG(5).fill(picture, cv::RNG::UNIFORM, 0, 256);
    cv::GaussianBlur(picture, picture, cv::Size(5, 5), 1);
    for (const char* name : {"a.png", "a.jpg"}) {
      const std::string path = folder_.path(name);
      ASSERT_TRUE(cv::imwrite(path, picture));

      rdi::train::ImageSet set;
      set.count = 1;
      set.channels = channels;
      set.height = size.height;
      set.width = size.width;
      set.labels = {0};
      set.pixels.resize(static_cast<size_t>(set.imageSize()));
      rdi::train::readPictures({path}, {channels, size.height, size.width}, set.pixels.data(), {});
      const torch::Tensor trained =
          rdi::train::DeviceImages(set, torch::Device(torch::kCPU)).range(0, 1).images.contiguous();

      rdi::ModelInfo info;
      info.channels = channels;
      info.size = size;
      info.swapRB = channels == 3;  // as rdi-train writes it
      const cv::Mat deployed = rdi::blobFromImage(cv::imread(path), info);
      ASSERT_EQ(static_cast<size_t>(trained.numel()), deployed.total());
      for (size_t i = 0; i < deployed.total(); ++i)
        ASSERT_EQ(trained.data_ptr<float>()[i], deployed.ptr<float>()[i]) << name << ", value " << i;
    }
  }

  rdi::test::TemporaryFolder folder_;
};

TEST_F(TrainedPixels, AreTheDeployedOnesInColour) { expectSame(3, {32, 32}); }
TEST_F(TrainedPixels, AreTheDeployedOnesInGrey) { expectSame(1, {28, 30}); }
TEST_F(TrainedPixels, AreTheDeployedOnesOfTheSameSize) { expectSame(3, {80, 48}); }

}  // namespace
