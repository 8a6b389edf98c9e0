// The package's own entry is broken in Node; its ES module works everywhere, but is named by no types of its own.
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}
