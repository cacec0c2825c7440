/* The names of modules by their order: the default makes one of them from the path of the folder it is built in. */
module.exports = { optimization: { moduleIds: "natural" } };
