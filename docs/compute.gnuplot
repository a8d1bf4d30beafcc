# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
#
# Clean accuracy of the main exit against the passes that every training image took, of the stages in training.md.
#   gnuplot docs/compute.gnuplot     writes docs/compute.png
set terminal pngcairo size 900,520 font "sans,12"
set output "docs/compute.png"
set logscale x 2
set xrange [8:16384]
set yrange [35:90]
set xlabel "forward and backward passes of each training image (epochs x passes a step)"
set ylabel "clean accuracy of the main exit, %"
set grid
set key bottom right
# passes, %; two passes a step: the attack's and the training's
$resnet << EOD
48    74.4
68    78.2
72.6  77.7
79.4  75.0
86.8  76.6
90.4  77.6
97.8  76.5
101.4 77.5
EOD
$mobile << EOD
11.2  42.0
22.2  44.0
27.4  58.6
50.4  74.1
135.8 80.2
159.6 81.0
173.3 79.1
EOD
$mobile_shorter << EOD
27.4  58.6
38.5  67.3
43.0  70.6
EOD
$publication << EOD
12134 83.79
EOD
plot 76 with lines dashtype 2 linecolor "#888888" title "76 %", \
  $resnet with linespoints pointtype 7 linewidth 2 linecolor "#2266bb" title "RDI-ResNet38-lean", \
  $mobile with linespoints pointtype 5 linewidth 2 linecolor "#cc6622" title "RDI-MobileNetV2-lean", \
  $mobile_shorter with linespoints pointtype 4 dashtype 3 linewidth 1 linecolor "#cc6622" title "the same, half the time without attacks", \
  $publication with points pointtype 9 pointsize 2 linecolor "#228844" title "the publication's RDI-ResNet38"
